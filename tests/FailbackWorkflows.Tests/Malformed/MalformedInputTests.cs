using System.Text.Json.Nodes;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.Server.Hosting;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Tests.ReferenceRecorder;
using FailbackWorkflows.Tests.Server;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;
using Xunit.Abstractions;

namespace FailbackWorkflows.Tests.Malformed;

/// <summary>
/// Ten thousand broken requests, made from what both services say of themselves: none is answered by a fault of ours, none changes anything, and
/// no answer tells how we are built. Another seed: FAILBACK_MALFORMED_SEED.
/// </summary>
public sealed class MalformedInputTests(ITestOutputHelper output)
{
    private const int PerService = 5_000;
    /// <summary>An event may have any name and any payload; without somebody who waits for it, it changes nothing.</summary>
    private const string TakesAnything = "/api/v1/events/";

    private const int MostShown = 400;

    private static int Seed => int.TryParse(Environment.GetEnvironmentVariable("FAILBACK_MALFORMED_SEED"), out var seed) ? seed : Random.Shared.Next();

    [Fact]
    public async Task ManagementServer_BrokenRequests_AreRefusedAndChangeNothing()
    {
        var server = new ServerHarness();
        await server.InitializeAsync();
        try
        {
            var entry = await server.AddEntryAsync();
            await server.AddBrokenServerAsync(entry.FailedServerId);
            using var viewer = await server.WithRoleAsync(Roles.Viewer);
            using var client = server.Anonymous();
            using var administrator = server.Administrator();
            var credentials = new Credentials([("X-Api-Key", ServerHarness.AdminKey)], [("Authorization", viewer.DefaultRequestHeaders.Authorization!.ToString())]);
            var api = new ApiOperations(JsonNode.Parse(await administrator.GetStringAsync("openapi/v1.json"))!.AsObject());
            var database = server.App.Services.GetRequiredService<DataFolder>();

            await AssertAllRefusedAsync(
                client, api, credentials, [entry.Id, entry.FailedServerId, "admin"], [], [ServerHarness.AdminKey, ServerHarness.AdminPassword, database.Path], database.Database);
            server.Runs.Starts.ShouldBeEmpty();
            server.Runs.Asked.ShouldBeEmpty();
        }
        finally
        {
            await server.DisposeAsync();
        }
    }

    [Fact]
    public async Task Recorder_BrokenRequests_AreRefusedAndChangeNothing()
    {
        await using var recorder = await RecorderHost.StartSeededAsync();
        using var client = new HttpClient { BaseAddress = recorder.Endpoint.BaseUrl };
        var credentials = new Credentials([("Authorization", $"Bearer {RecorderHost.Token}")], [("Authorization", "Bearer another-token")]);
        var api = new ApiOperations(JsonNode.Parse(await recorder.Raw.GetStringAsync("openapi/v1.json"))!.AsObject());
        await AssertAllRefusedAsync(
            client, api, credentials, [RecorderHost.Identity, "entry-1"], [], [RecorderHost.Token, recorder.Folder], Directory.GetFiles(recorder.Folder, "*.db").Single());
    }

    private async Task AssertAllRefusedAsync(
        HttpClient client,
        ApiOperations api,
        Credentials credentials,
        IReadOnlyList<string> knownIds,
        IReadOnlyList<(string Name, string Value)> usual,
        IReadOnlyList<string> secrets,
        string database)
    {
        var seed = Seed;
        output.WriteLine($"seed {seed}");
        var before = await StateOf.DatabaseAsync(database);
        var verdicts = new Verdicts(client, secrets, TakesAnything);

        await verdicts.SendAsync(new BrokenRequests(api, credentials, knownIds, usual, seed).Make(PerService));

        output.WriteLine(string.Join(", ", verdicts.Answers.OrderBy(answer => answer.Key).Select(answer => $"{(int)answer.Key}: {answer.Value}")));
        foreach (var objection in verdicts.Objections.Order(StringComparer.Ordinal).Take(MostShown))
        {
            output.WriteLine(objection);
        }

        verdicts.Answers.Values.Sum().ShouldBe(PerService);
        verdicts.Objections.Count.ShouldBe(0, $"seed {seed}");
        (await StateOf.DatabaseAsync(database)).ShouldBe(before, $"seed {seed}");
    }
}
