using System.Text.Json.Nodes;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.PublishRules;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Failback.PublishRules;

/// <summary>What a workflow must be before it may command recorders.</summary>
public sealed class FailbackPublishRulesTests
{
    private static readonly ActivityCatalog Catalog = Fill();

    public static TheoryData<string> Files => [.. Directory.EnumerateFiles(RepositoryFiles.Workflows, "*.json", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(RepositoryFiles.Workflows, f)).Order()];

    [Theory]
    [MemberData(nameof(Files))]
    public void ShippedWorkflow_BreaksNoRule(string file) => Check(Read(File.ReadAllText(Path.Combine(RepositoryFiles.Workflows, file)))).ShouldBeEmpty();

    [Theory]
    [InlineData("CheckFailoverLogEntry", "CheckFailoverServerActing")]
    [InlineData("CheckFailoverServerActing", "CheckFailedServerBroken")]
    [InlineData("CheckFailedServerBroken", "CheckLicense")]
    [InlineData("CheckLicense", "CheckNoFailbackRunning")]
    [InlineData("CheckNoFailbackRunning", "LogFailbackStarted")]
    public void WayPastACheck_IsFound(string check, string next)
    {
        var model = Failback();
        foreach (var connection in Connections(model).Where(c => (string)c["target"]!["activity"]! == check))
        {
            connection["target"]!["activity"] = next;
        }

        if ((string?)model["root"]!["start"] == check)
        {
            model["root"]!["start"] = next;
        }

        var finding = Check(Read(model)).ShouldHaveSingleItem();
        (finding.Code, finding.Severity).ShouldBe(("checks-first", FindingSeverity.Error));
    }

    [Fact]
    public void CheckLeftByTheWrongOutcome_DoesNotCount()
    {
        var model = Failback();
        Connections(model).Single(c => (string)c["source"]!["activity"]! == "CheckLicense" && (string)c["source"]!["port"]! == "Refused")["target"]!["activity"] = "CheckNoFailbackRunning";

        Check(Read(model)).ShouldHaveSingleItem().Sentence.ShouldContain("Check licence");
    }

    [Fact]
    public void RemovedCheck_IsAnAdministratorsDecision_WithAReason()
    {
        var model = Failback();
        Connections(model).Single(c => (string)c["source"]!["activity"]! == "CheckFailedServerBroken" && (string)c["source"]!["port"]! == "Broken")["target"]!["activity"] = "CheckNoFailbackRunning";
        var (changed, published) = (Read(model), Read(Failback()));

        Check(changed, published, "no licences", isAdministrator: false).ShouldHaveSingleItem().Severity.ShouldBe(FindingSeverity.Error);
        Check(changed, published, null, isAdministrator: true).ShouldHaveSingleItem().Severity.ShouldBe(FindingSeverity.Error);
        var accepted = Check(changed, published, "no licences", isAdministrator: true).ShouldHaveSingleItem();
        (accepted.Severity, accepted.Sentence.Contains("no licences", StringComparison.Ordinal)).ShouldBe((FindingSeverity.Warning, true));
    }

    [Fact]
    public void CommandAfterTheRolesAreRestored_IsFound()
    {
        var model = Failback();
        Connections(model).Single(c => (string)c["source"]!["activity"]! == "RestoreRoles" && (string)c["source"]!["port"]! == "Restored")["target"]!["activity"] = "SetRecorderSettings";

        Check(Read(model)).ShouldContain(f => f.Code == "only-forward" && f.Severity == FindingSeverity.Error);
    }

    [Fact]
    public void CommandsWithoutTheClaim_AreFound_AndTheRuleCanWeighLess()
    {
        var model = Failback();
        var activities = model["root"]!["activities"]!.AsArray();
        activities.Single(a => (string)a!["id"]! == "LogFailbackStarted")!["type"] = "Failback.NotifyClients";

        Check(Read(model)).ShouldContain(f => f.Code == "claim" && f.Severity == FindingSeverity.Error);
        new FailbackPublishRules(new PublishRuleOptions { Claim = RuleWeight.Warning }).Check(new(Read(model), null, null, false)).ShouldContain(f => f.Code == "claim" && f.Severity == FindingSeverity.Warning);
        new FailbackPublishRules(new PublishRuleOptions { Claim = RuleWeight.Off }).Check(new(Read(model), null, null, false)).ShouldNotContain(f => f.Code == "claim");
    }

    /// <summary>What says of itself that it may be run by a click has nothing to change a recorder, the log or another run with.</summary>
    [Fact]
    public void SafeToTry_HasNothingToChangeAnythingWith()
    {
        var safe = Catalog.Descriptors.Values.Where(d => d.ActivityType?.IsDefined(typeof(SafeToTryAttribute), false) == true).ToList();

        safe.Count.ShouldBeGreaterThan(3);
        foreach (var parameter in safe.SelectMany(d => d.ActivityType!.GetConstructors()).SelectMany(c => c.GetParameters()))
        {
            parameter.ParameterType.ShouldNotBeOneOf(typeof(IRecorderClient), typeof(IMaterialCopyClient), typeof(FailbackWorkflows.Engine.IWorkflowRuntime), typeof(IDomainWriter));
        }
    }

    private static IReadOnlyList<PublishFinding> Check(WorkflowDefinition definition, WorkflowDefinition? published = null, string? reason = null, bool isAdministrator = false) =>
        new FailbackPublishRules(new PublishRuleOptions()).Check(new(definition, published, reason, isAdministrator));

    private static JsonObject Failback() => DefinitionText.Parse(File.ReadAllText(Path.Combine(RepositoryFiles.Workflows, "failback", "failback.v2.json")));

    private static IEnumerable<JsonObject> Connections(JsonObject model) => model["root"]!["connections"]!.AsArray().OfType<JsonObject>();

    private static WorkflowDefinition Read(JsonObject model) => Read(model.ToJsonString());

    private static WorkflowDefinition Read(string json) => new DefinitionReader(Catalog).Read(json);

    private static ActivityCatalog Fill()
    {
        var catalog = new ActivityCatalog();
        FailbackActivities.AddTo(catalog);
        return catalog;
    }
}
