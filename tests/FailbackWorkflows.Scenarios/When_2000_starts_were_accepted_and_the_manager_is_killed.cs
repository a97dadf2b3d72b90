using System.Collections.Concurrent;
using System.Diagnostics;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Interpretation;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Persistence.Workflows;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;
using Xunit.Abstractions;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// What the server has accepted is durable: 2,000 runs are started over HTTP, the process is killed (SIGKILL) right after the last answer, and after a restart all of
/// them finish, each step once. A tenth of them unless <c>FAILBACK_STARTS</c> says how many.
/// </summary>
public sealed class When_2000_starts_were_accepted_and_the_manager_is_killed(ITestOutputHelper output)
{
    private static readonly int Starts = int.TryParse(Environment.GetEnvironmentVariable("FAILBACK_STARTS"), out var starts) ? starts : 200;
    private const int Steps = 3;
    private const int AtATime = 16;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    /// <summary>Three steps. In the second a run waits for a time, so that the kill meets runs in every state.</summary>
    private static readonly string Definition = $$"""
        {
          "definitionId": "failback",
          "name": "An integrator's own failback",
          "variables": [{ "id": "Seen", "name": "Seen", "typeName": "Object" }],
          "inputs": [{ "name": "EntryId", "type": "String", "isRequired": true }],
          "root": {
            "id": "flow", "type": "Elsa.Flowchart",
            "activities": [{{string.Join(",", Enumerable.Range(1, Steps).Select(Step))}}],
            "connections": [{{string.Join(",", Enumerable.Range(1, Steps - 1).Select(n => $$"""{ "source": "step{{n}}", "target": "step{{n + 1}}" }"""))}}]
          }
        }
        """;

    [Theory]
    [InlineData(OwnDefinitionServer.Sqlite)]
    [InlineData(OwnDefinitionServer.Postgres)]
    public async Task All_of_them_finish(string database)
    {
        await using var server = await OwnDefinitionServer.StartAsync(database, Definition);
        var runs = new ConcurrentDictionary<string, string>(StringComparer.Ordinal);
        var watch = Stopwatch.StartNew();
        await Parallel.ForEachAsync(
            Enumerable.Range(1, Starts).Select(n => $"request-{n}"),
            new ParallelOptions { MaxDegreeOfParallelism = AtATime },
            async (request, _) => runs[request] = await server.StartRunAsync(request));
        await server.Process.KillAsync();
        output.WriteLine($"{database}: {Starts} starts accepted in {watch.Elapsed.TotalSeconds:N1} s");

        await using (var stores = server.OpenStores())
        {
            var open = (await ListAsync(stores, WorkflowStatus.Running)).Count;
            output.WriteLine($"{open} of them had not finished when the process was killed");
            open.ShouldBeGreaterThan(0, "the kill came too late to say anything");
        }

        watch.Restart();
        await server.Process.StartAsync();
        foreach (var (request, runId) in runs)
        {
            // One at a time: whoever looks takes time from whoever works.
            await Eventually.GetAsync($"{request} ends", () => server.Process.GetRunAsync(runId), run => run.FinishedAt is not null, Patience);
        }

        output.WriteLine($"all had finished {watch.Elapsed.TotalSeconds:N1} s after the restart began");
        foreach (var (request, runId) in runs.Take(5))
        {
            (await server.StartRunAsync(request)).ShouldBe(runId, "the same request again");
        }

        await server.Process.KillAsync();
        await using var ended = server.OpenStores();
        var stored = await ListAsync(ended, null);
        stored.Select(r => r.Id).Order(StringComparer.Ordinal).ShouldBe(runs.Values.Order(StringComparer.Ordinal));
        stored.ShouldAllBe(r => r.SubStatus == WorkflowSubStatus.Finished);
        foreach (var run in stored)
        {
            await ShouldHaveDoneEachStepOnceAsync(ended, run.Id);
        }
    }

    private static string Step(int number) => number == 2
        ? """{ "id": "step2", "type": "Elsa.Delay", "timeSpan": { "typeName": "TimeSpan", "expression": { "type": "Literal", "value": "00:00:05" } } }"""
        : $$"""
          { "id": "step{{number}}", "type": "Elsa.SetVariable",
            "variable": { "id": "Seen", "name": "Seen" }, "value": { "typeName": "Object", "expression": { "type": "Literal", "value": "{{number}}" } } }
          """;

    private static async Task<IReadOnlyList<WorkflowInstanceSummary>> ListAsync(ServiceProvider stores, WorkflowStatus? status)
    {
        var all = new List<WorkflowInstanceSummary>();
        while (await stores.GetRequiredService<IWorkflowInstances>().ListAsync(new(Status: status, Before: all.LastOrDefault()?.Id, Take: 200), default) is { Count: > 0 } page)
        {
            all.AddRange(page);
        }

        return all;
    }

    private static async Task ShouldHaveDoneEachStepOnceAsync(ServiceProvider stores, string runId)
    {
        var stored = (await stores.GetRequiredService<IWorkflowStore>().FindInstanceAsync(runId, default))!;
        var journal = await stores.GetRequiredService<IWorkflowStore>().ReadJournalAsync(runId, 0, 1_000, default);
        journal.OfType<ActivityCompleted>().Select(a => a.NodeId.Split(':')[^1]).Where(id => id.StartsWith("step", StringComparison.Ordinal)).ShouldBe(
            Enumerable.Range(1, Steps).Select(n => $"step{n}"), $"{runId} did not do its steps once and in their order");
        var fold = JournalFold.Fold(await stores.GetRequiredService<WorkflowDefinitions>().GetVersionAsync(stored.DefinitionVersionId, default), runId, journal);
        fold.Difference.ShouldBeNull();
        PlainValue.AreEqual(PlainValue.Parse(fold.StateJson), PlainValue.Parse(stored.Snapshot)).ShouldBeTrue($"the journal of {runId} does not fold to what is stored");
    }
}
