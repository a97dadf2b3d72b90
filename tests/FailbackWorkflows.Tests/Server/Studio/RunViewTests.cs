using System.IO.Compression;
using System.Net;
using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Server.Identity;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server.Studio;

/// <summary>A run as the viewer shows it: finished, faulted, waiting, retried by hand, cancelled.</summary>
[Collection(ServerTests.Name)]
public sealed class RunViewTests(ServerHarness server)
{
    private static readonly DateTimeOffset At = StoredRuns.At;
    private static readonly Actor Olga = StoredRuns.Olga;

    [Fact]
    public async Task Finished_HasCompletedBadges_AndEveryStepInItsJournal()
    {
        var run = await AddAsync(WorkflowSubStatus.Finished, Started("2", "line1"), Completed("2", "line1", 2), Started("3", "line2"), Completed("3", "line2", 4));
        using var viewer = await server.WithRoleAsync(Roles.Viewer);

        var stats = await ReportAsync(viewer, run.Id, run.Node("line1"), run.Node("line2"), run.Node("nowhere"));
        stats.Select(s => ((string)s["activityId"]!, (int)s["startedCount"]!, (int)s["completedCount"]!, (int)s["uncompletedCount"]!, (bool)s["isFaulted"]!)).ShouldBe([("line1", 1, 1, 0, false), ("line2", 1, 1, 0, false)]);
        var journal = await JournalAsync(viewer, run.Id, """{ "filter": { "excludedActivityTypes": ["Elsa.Workflow", "Elsa.Flowchart"] } }""");
        journal["items"]!.AsArray().Select(e => ((string)e!["activityId"]!, (string)e["eventName"]!)).ShouldBe([("line1", "Started"), ("line1", "Completed"), ("line2", "Started"), ("line2", "Completed")]);
        ((int)journal["totalCount"]!).ShouldBe(4);
        var page = await JournalAsync(viewer, run.Id, $$"""{ "filter": { "activityNodeIds": ["{{run.Node("line2")}}"] } }""", skip: 1, take: 1);
        ((int)page["totalCount"]!, (string)page["items"]![0]!["eventName"]!).ShouldBe((2, "Completed"));
    }

    [Fact]
    public async Task Faulted_IsFinishedAndFaulted_WithTheIncidentAtItsActivity()
    {
        var fault = new ActivityFault("door.stuck", "The door is stuck.", false);
        var run = await AddAsync(
            WorkflowSubStatus.Faulted,
            Started("2", "line1"),
            new ActivityFaulted { ExecutionId = "2", NodeId = "line1", Fault = fault with { IsTransient = true }, Attempt = 1, RetryAt = At.AddSeconds(1) },
            new BookmarkDue { ExecutionId = "2", NodeId = "line1", BookmarkId = "b1" },
            new ActivityFaulted { ExecutionId = "2", NodeId = "line1", Fault = fault, Attempt = 2 },
            new InstanceFaulted { ExecutionId = "2", NodeId = "line1", Fault = fault });
        using var viewer = await server.WithRoleAsync(Roles.Viewer);

        var row = (await (await viewer.PostAsync("/workflow-instances", new JsonObject { ["definitionId"] = run.DefinitionId, ["page"] = 0, ["pageSize"] = 10 })).Content.ReadAsStringAsync());
        JsonNode.Parse(row)!["items"]![0]!.ShouldSatisfyAllConditions(r => ((string)r["status"]!, (string)r["subStatus"]!, (int)r["incidentCount"]!).ShouldBe(("Finished", "Faulted", 1)));
        (await ReportAsync(viewer, run.Id, run.Node("line1"))).Single().ShouldSatisfyAllConditions(s => ((bool)s["isFaulted"]!, (int)s["uncompletedCount"]!).ShouldBe((true, 1)));
        var incidents = await JournalAsync(viewer, run.Id, """{ "filter": { "eventNames": ["Faulted"] } }""");
        incidents["items"]!.AsArray().Select(e => (string)e!["eventName"]!).ShouldBe(["Attempt failed", "Faulted"]);
        var execution = (await viewer.ReadAsync($"/activity-execution-summaries/list?WorkflowInstanceId={run.Id}&ActivityNodeId={Uri.EscapeDataString(run.Node("line1"))}"))["items"]!.AsArray().Single()!;
        ((string)execution["status"]!, (string)execution["exception"]!["message"]!).ShouldBe(("Faulted", "The door is stuck."));
        ((await viewer.ReadAsync($"/activity-executions/by-id?id={execution["id"]}"))["payload"]!["Failed attempts"]!.AsArray().Count).ShouldBe(2);
    }

    [Fact]
    public async Task Export_OfALongRun_HasEveryEventOnce_AloneAndTogether()
    {
        const int Count = 2345;
        var run = await AddAsync(WorkflowSubStatus.Finished, [.. Enumerable.Range(2, Count).Select(i => Started($"{i}", "line1"))]);
        server.Runs.Put(new RunReport(run.Id, run.DefinitionId, 1, WorkflowSubStatus.Finished, "done", null, null, Olga, null, null, At, At, [], []));
        using var viewer = await server.WithRoleAsync(Roles.Viewer);

        using var alone = await viewer.GetAsync($"/elsa/api/workflow-instances/{run.Id}/export");
        using var together = await viewer.PostAsync("/bulk-actions/export/workflow-instances", new JsonObject { ["ids"] = new JsonArray(run.Id, "nobody") });

        using var archive = new ZipArchive(await together.Content.ReadAsStreamAsync());
        await using var entry = archive.Entries.Single().Open();
        foreach (var content in new[] { await alone.Content.ReadAsStreamAsync(), entry })
        {
            var whole = (await JsonNode.ParseAsync(content))!;
            ((string)whole["instance"]!["id"]!).ShouldBe(run.Id);
            whole["journal"]!.AsArray().Select(e => (int)e!["sequence"]!).ShouldBe(Enumerable.Range(1, Count + 1));
        }

        alone.Content.Headers.ContentDisposition!.FileName.ShouldBe($"workflow-instance-{run.Id}.json");
        using var unknown = await viewer.GetAsync("/elsa/api/workflow-instances/nobody/export");
        unknown.StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Waiting_IsBlocked_AndSaysForWhat()
    {
        var run = await AddAsync(WorkflowSubStatus.Suspended, Started("2", "line1"), new ActivitySuspended { ExecutionId = "2", NodeId = "line1", IsFact = true, Bookmarks = [new("Delay", null, At.AddMinutes(5), false)] });
        using var viewer = await server.WithRoleAsync(Roles.Viewer);

        (await ReportAsync(viewer, run.Id, run.Node("line1"))).Single().ShouldSatisfyAllConditions(s => ((bool)s["isBlocked"]!, (int)s["uncompletedCount"]!, (bool)s["isFaulted"]!).ShouldBe((true, 1, false)));
        var last = (await JournalAsync(viewer, run.Id, """{ "filter": null }"""))["items"]!.AsArray()[^1]!;
        ((string)last["eventName"]!, (string)last["message"]!).ShouldBe(("Suspended", "Waits for Delay at 2026-03-01 12:05:00 UTC."));
        ((string)(await viewer.ReadAsync($"/workflow-instances/{run.Id}/execution-state"))["status"]!).ShouldBe("Running");
    }

    [Fact]
    public async Task RetriedByHand_HasTwoExecutions_AndIsNoLongerFaulted()
    {
        var fault = new ActivityFault("door.stuck", "The door is stuck.", false);
        var run = await AddAsync(
            WorkflowSubStatus.Finished,
            Started("2", "line1"),
            new ActivityFaulted { ExecutionId = "2", NodeId = "line1", Fault = fault, Attempt = 1 },
            new InstanceFaulted { ExecutionId = "2", NodeId = "line1", Fault = fault },
            new RedriveRequested { Actor = Olga, Reason = "oiled", IsFact = true },
            Started("3", "line1"),
            Completed("3", "line1", 6));
        using var viewer = await server.WithRoleAsync(Roles.Viewer);

        (await ReportAsync(viewer, run.Id, run.Node("line1"))).Single().ShouldSatisfyAllConditions(s => ((int)s["startedCount"]!, (int)s["completedCount"]!, (bool)s["isFaulted"]!).ShouldBe((2, 1, false)));
        var executions = (await viewer.ReadAsync($"/activity-executions/list?WorkflowInstanceId={run.Id}&ActivityNodeId={Uri.EscapeDataString(run.Node("line1"))}"))["items"]!.AsArray();
        executions.Select(e => (string)e!["status"]!).ShouldBe(["Faulted", "Completed"]);
        var journal = await JournalAsync(viewer, run.Id, $$"""{ "filter": { "activityNodeIds": ["{{run.Node("line1")}}"] } }""");
        journal["items"]!.AsArray().ShouldContain(e => (string)e!["eventName"]! == "Retried by hand" && (string)e["message"]! == "By Olga: oiled");
    }

    [Fact]
    public async Task CallStack_IsTheWayThatTheRunCame()
    {
        var run = await AddAsync(WorkflowSubStatus.Finished, Started("2", "line1"), Completed("2", "line1", 2), Started("3", "line2"), Completed("3", "line2", 4));
        using var viewer = await server.WithRoleAsync(Roles.Viewer);

        var stack = (await viewer.ReadAsync($"/activity-executions/{run.Id}.3/call-stack?includeCrossWorkflowChain=True"))["items"]!.AsArray();

        stack.Select(e => ((string)e!["activityId"]!, (int)e["callStackDepth"]!)).ShouldBe([("line1", 0), ("line2", 1)]);
        ((string)stack[1]!["schedulingActivityId"]!).ShouldBe("line1");
    }

    private static ActivityStarted Started(string execution, string node) => new() { ExecutionId = execution, NodeId = node, ActivityType = "Elsa.WriteLine", Inputs = new Dictionary<string, object?> { ["text"] = "hello" } };

    private static ActivityCompleted Completed(string execution, string node, int seconds) => new() { ExecutionId = execution, NodeId = node, Outcomes = ["Done"], IsFact = true, At = At.AddSeconds(seconds) };

    private static async Task<IReadOnlyList<JsonNode>> ReportAsync(HttpClient viewer, string run, params string[] nodes)
    {
        using var answer = await viewer.PostAsync("/activity-executions/report", new JsonObject { ["workflowInstanceId"] = run, ["activityNodeIds"] = new JsonArray([.. nodes.Select(n => (JsonNode)n)]) });
        return [.. JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["stats"]!.AsArray().Select(s => s!)];
    }

    private static async Task<JsonNode> JournalAsync(HttpClient viewer, string run, string body, int skip = 0, int take = 100)
    {
        using var answer = await viewer.PostAsync($"/workflow-instances/{run}/journal?skip={skip}&take={take}", JsonNode.Parse(body));
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
    }

    private Task<StoredRun> AddAsync(WorkflowSubStatus subStatus, params JournalEvent[] events) => server.AddRunAsync(subStatus, events: events);
}
