using System.Net;
using System.Text.Json.Nodes;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server.Studio;

/// <summary>What the designer's <i>Run</i> does not start: the right to run a workflow is not the right to everything that a workflow does.</summary>
[Collection(ServerTests.Name)]
public sealed class RunningTests(ServerHarness server)
{
    [Theory]
    [InlineData("failback", "/failover-log")]
    [InlineData("adoption", "/failover-log")]
    [InlineData("abandonment", "/failover-log")]
    [InlineData("material-copy", "/failover-log")]
    [InlineData("failover", "/servers")]
    [InlineData("settings-rollback", "/servers")]
    [InlineData("obligations", "/servers")]
    public async Task Run_OfWhatHasAStartOfItsOwn_IsRefusedWhoeverAsks_AndSaysWhereItIs(string definitionId, string page)
    {
        var starts = server.Runs.Starts.Count;
        using var olga = await server.WithRoleAsync(Roles.Operator);
        using var administrator = server.Administrator();

        foreach (var person in new[] { olga, administrator })
        {
            using var answer = await RunAsync(person, definitionId, "It has to be.");
            var told = Refusal(answer);
            told.ShouldContain("is started on its own page, where roles and maintenance mode are checked.");
            told.ShouldContain($"\"{page}\"");
            var question = await person.ReadAsync($"/run-questions/{definitionId}?versionOptions=Published");
            ((bool)question["needsReason"]!, question["fields"]!.AsArray().Count).ShouldBe((false, 0), "nobody is asked what is refused whatever the answer");
        }

        server.Runs.Starts.Count.ShouldBe(starts);
        server.Audit.Records.ShouldContain(r => r.Subject!.StartsWith($"{definitionId}:", StringComparison.Ordinal) && r.Reason == "It has to be." && r.Result == "not started: it changes something");
    }

    /// <summary>Whatever is added to <c>workflows/</c> that commands recorders needs a start of its own, or an entry there.</summary>
    [Fact]
    public async Task Run_OfAnyWorkflowThatIsShipped_IsRefused()
    {
        using var administrator = server.Administrator();

        foreach (var definitionId in Directory.EnumerateDirectories(RepositoryFiles.Workflows).Select(folder => Path.GetFileName(folder)!))
        {
            using var answer = await RunAsync(administrator, definitionId, "It has to be.");
            Refusal(answer).ShouldContain("is started on its own page", customMessage: definitionId);
        }
    }

    [Fact]
    public async Task Run_OfWhatStartsSuchAWorkflow_IsRefusedToo()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var inner = await ines.SaveAsync(Definitions.Starting("Literal", "settings-rollback"), publish: true, "a test");
        var outer = await ines.SaveAsync(Definitions.Starting("Literal", (string)inner["definitionId"]!), publish: true, "a test");
        using var olga = await server.WithRoleAsync(Roles.Operator);

        using var answer = await RunAsync(olga, (string)outer["definitionId"]!, "It has to be.");

        Refusal(answer).ShouldContain("A settings rollback is started on its own page");
    }

    [Fact]
    public async Task Run_OfWhatStartsWhoKnowsWhich_NeedsAnAdministratorAndAReason()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var saved = await ines.SaveAsync(Definitions.Starting("JavaScript", "'settings' + '-rollback'"), publish: true, "a test");
        using var olga = await server.WithRoleAsync(Roles.Operator);
        using var administrator = server.Administrator();

        using var byOperator = await RunAsync(olga, (string)saved["definitionId"]!, "It has to be.");
        using var withoutReason = await RunAsync(administrator, (string)saved["definitionId"]!, null);

        Refusal(byOperator).ShouldContain("needs the role administrator");
        Refusal(withoutReason).ShouldContain("it is run only with a reason");
    }

    private static Task<HttpResponseMessage> RunAsync(HttpClient person, string definitionId, string? reason) =>
        person.PostAsync($"/workflow-definitions/{definitionId}/execute", new JsonObject { ["versionOptions"] = "Published" }, reason);

    private static string Refusal(HttpResponseMessage answer)
    {
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        answer.Headers.GetValues("x-elsa-workflow-cannot-start").ShouldBe(["true"]);
        return Uri.UnescapeDataString(answer.Headers.GetValues("X-Failback-Messages").Single());
    }
}
