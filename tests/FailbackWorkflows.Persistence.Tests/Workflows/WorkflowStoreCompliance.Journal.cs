using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Engine.Values;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Workflows;

/// <summary>Histories are kept for ever, as they were.</summary>
public abstract partial class WorkflowStoreCompliance
{
    private static readonly Dictionary<string, object?> Values = new()
    {
        ["null"] = null,
        ["flag"] = true,
        ["large"] = long.MaxValue,
        ["fraction"] = 0.1,
        ["text"] = "Zeile 1\nZeile 2 „ä“ \0 🎥",
        ["list"] = new List<object?> { 1L, -2.5, "x", new List<object?>(), null },
        ["map"] = new Dictionary<string, object?> { ["Case"] = 1L, ["case"] = 2L, [""] = "empty key" },
    };

    private static readonly ActivityFault Fault = new("recorder.unreachable", "vms-1 does not answer.", true);

    [Fact]
    public async Task Journal_EveryEventType_IsReadBackAsItWas()
    {
        var at = new DateTimeOffset(2026, 3, 1, 23, 59, 59, TimeSpan.Zero).AddTicks(9_999_999);
        JournalEvent[] written =
        [
            new InstanceStarted { IsFact = true, DefinitionId = "failback", DefinitionVersionId = "failback:1", DefinitionSha256 = "ab", Input = Values, Actor = Steps.Operator, Reason = "because", CorrelationId = "entry-1" },
            new InstanceStarted { IsFact = true, DefinitionId = "failback", DefinitionVersionId = "failback:1", DefinitionSha256 = "ab", Input = new Dictionary<string, object?>(), Actor = Actor.System },
            new ActivityStarted { ExecutionId = "1", NodeId = "root", ActivityType = "Elsa.Flowchart" },
            new ActivityStarted { ExecutionId = "2", NodeId = "root/check", ActivityType = "Failback.CheckLicense", ParentExecutionId = "1", Inputs = Values },
            new ActivityCompleted { IsFact = true, ExecutionId = "2", NodeId = "root/check", Outcomes = ["Done", "Also"], Outputs = Values, Variables = Values, WorkflowOutputs = Values, Cancellation = CancellationMode.Undo, Ends = Ending.Workflow, Fault = Fault },
            new ActivityCompleted { ExecutionId = "1", NodeId = "root", Outcomes = [] },
            new ActivityFaulted { IsFact = true, ExecutionId = "3", NodeId = "root/set", Fault = Fault, Attempt = 2, RetryAt = at.AddTicks(1) },
            new ActivityFaulted { ExecutionId = "3", NodeId = "root/set", Fault = Fault, Attempt = 1 },
            new ActivitySuspended { IsFact = true, ExecutionId = "4", NodeId = "root/wait", Bookmarks = [new("Event", "Event:x", null, false), new("Delay", null, at, true)], Progress = Values },
            new ActivityBranched
            {
                IsFact = true, ExecutionId = "4", NodeId = "root/send", Ports = [new("200", Values), new("timeout", null)], Bookmarks = [new("Child", "WorkflowEnded:x", null, true)],
                Progress = Values, Outcomes = ["Done"], Outputs = Values, Notes = ["sent"],
            },
            new BookmarkDue { IsFact = true, ExecutionId = "4", NodeId = "root/wait", BookmarkId = "4.1" },
            new StimulusReceived { IsFact = true, ExecutionId = "4", NodeId = "root/wait", BookmarkId = "4.2", Payload = Values, Actor = Steps.Operator },
            new ActivityCancelled { ExecutionId = "4", NodeId = "root/wait" },
            new CancelRequested { IsFact = true, Actor = Steps.Operator, Reason = "wrong server" },
            new CancelRefused(),
            new RedriveRequested { IsFact = true, Actor = Steps.Operator },
            new InstanceFaulted { ExecutionId = "5", NodeId = "root/assign", Fault = Fault },
            new InstanceFinished { SubStatus = WorkflowSubStatus.Cancelled, Output = Values },
        ];
        written = [.. written.Select((e, i) => e with { Sequence = i + 1, At = at.AddTicks(i) })];
        var known = typeof(JournalEvent).GetCustomAttributes<JsonDerivedTypeAttribute>().Select(a => a.DerivedType);
        known.Except(written.Select(e => e.GetType())).ShouldBeEmpty("an event type has no sample here");

        var start = Steps.Starting("run-1");
        await Store.CommitAsync(
            new StepCommit { Lease = start.Lease, Instance = start.Instance with { LastSequence = written.Length }, IsStart = true, Events = written, At = T0, LeaseUntil = start.LeaseUntil }, None);
        await Database.RestartAsync();
        var read = await Store.ReadJournalAsync("run-1", 0, 100, None);

        read.Select(e => e.GetType()).ShouldBe(written.Select(e => e.GetType()));
        read.Select(e => e.Sequence).ShouldBe(written.Select(e => e.Sequence));
        read.Select(e => e.At).ShouldBe(written.Select(e => e.At));
        read.Select(AsJson).ShouldBe(written.Select(AsJson));
        PlainValue.AreEqual(((InstanceStarted)read[0]).Input, Values).ShouldBeTrue();
        PlainValue.AreEqual(read.OfType<StimulusReceived>().Single().Payload, Values).ShouldBeTrue();
    }

    [Fact]
    public async Task Journal_ReadInPieces_ContinuesWhereItStopped()
    {
        var lease = await StartAsync("run-1");
        await StartAsync("run-2");
        await Store.CommitAsync(Steps.Next(lease, await InstanceAsync("run-1"), events: 24), None);

        var read = new List<long>();
        IReadOnlyList<JournalEvent> piece;
        do
        {
            piece = await Store.ReadJournalAsync("run-1", read.LastOrDefault(), 7, None);
            piece.Count.ShouldBeLessThanOrEqualTo(7);
            read.AddRange(piece.Select(e => e.Sequence));
        }
        while (piece.Count > 0);

        read.ShouldBe(Enumerable.Range(1, 25).Select(i => (long)i));
        (await Store.ReadJournalAsync("nobody", 0, 7, None)).ShouldBeEmpty();
    }

    private static string AsJson(JournalEvent item) => JsonSerializer.Serialize(item, PlainValue.Json);
}
