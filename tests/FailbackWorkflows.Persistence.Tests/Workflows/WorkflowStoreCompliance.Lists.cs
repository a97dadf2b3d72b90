using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Persistence.Workflows;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Workflows;

/// <summary>Lists of instances.</summary>
public abstract partial class WorkflowStoreCompliance
{
    [Fact]
    public async Task List_PagedThrough_ShowsEachInstanceOnceNewestFirst()
    {
        // Ten instances share each instant, and ids do not follow time.
        const int Count = 1000;
        await using (var session = await Database.Get<IDatabase>().BeginWriteAsync(None))
        {
            session.Context.AddRange(Enumerable.Range(0, Count).Select(i => Row($"run-{i * 7919 % Count:0000}", T0.AddTicks(i / 10))));
            await session.Context.SaveChangesAsync();
            await session.CommitAsync(None);
        }

        var seen = new List<WorkflowInstanceSummary>();
        IReadOnlyList<WorkflowInstanceSummary> page;
        do
        {
            page = await Database.Get<IWorkflowInstances>().ListAsync(new(Before: seen.LastOrDefault()?.Id, Take: 37), None);
            seen.AddRange(page);
        }
        while (page.Count == 37);

        seen.Count.ShouldBe(Count);
        seen.Select(s => s.Id).Distinct().Count().ShouldBe(Count);
        seen.ShouldBe(seen.OrderByDescending(s => s.CreatedAt).ThenByDescending(s => s.Id, StringComparer.Ordinal));
    }

    [Fact]
    public async Task List_Filtered_ShowsOnlyWhatFits()
    {
        await Store.CommitAsync(Steps.Starting("run-1", correlationId: "entry-1"), None);
        await Store.CommitAsync(Steps.Starting("run-2", correlationId: "entry-1", at: T0.AddMinutes(1)), None);
        await Store.CommitAsync(Steps.Starting("run-3", correlationId: "entry-2", at: T0.AddMinutes(2), definitionId: "failover"), None);
        await StepAsync(Steps.Starting("run-2").Lease, WorkflowSubStatus.Faulted, at: T0.AddMinutes(3));

        (await IdsAsync(new())).ShouldBe(["run-3", "run-2", "run-1"]);
        (await IdsAsync(new(CorrelationId: "entry-1"))).ShouldBe(["run-2", "run-1"]);
        (await IdsAsync(new(DefinitionId: "failover"))).ShouldBe(["run-3"]);
        (await IdsAsync(new(Status: WorkflowStatus.Running))).ShouldBe(["run-3", "run-1"]);
        (await IdsAsync(new(Status: WorkflowStatus.Finished, CorrelationId: "entry-1"))).ShouldBe(["run-2"]);
        (await IdsAsync(new(Before: "run-2"))).ShouldBe(["run-1"]);
        (await IdsAsync(new(Before: "nobody"))).ShouldBeEmpty();
        (await IdsAsync(new(Take: 0))).ShouldBe(["run-3"], "a page has at least one line");
        (await Database.Get<IWorkflowInstances>().ListAsync(new(Status: WorkflowStatus.Finished), None)).ShouldHaveSingleItem()
            .ShouldBe(new WorkflowInstanceSummary("run-2", "failback", 1, "Failback", "entry-1", WorkflowSubStatus.Faulted, T0.AddMinutes(1), T0.AddMinutes(3), T0.AddMinutes(3)));
    }

    [Fact]
    public async Task Starts_OfAPage_AreReadTogether()
    {
        foreach (var id in (string[])["run-1", "run-2", "run-3"])
        {
            var started = new InstanceStarted
            {
                Sequence = 1, At = T0, DefinitionId = "failback", DefinitionVersionId = "failback:1", DefinitionSha256 = "", Input = new Dictionary<string, object?> { ["EntryId"] = $"entry of {id}" }, Actor = Steps.Operator,
            };
            await Store.CommitAsync(With(Steps.Starting(id), events: [started]), None);
        }

        await StepAsync(Steps.Starting("run-2").Lease, WorkflowSubStatus.Faulted, at: T0.AddMinutes(3));

        var starts = await Database.Get<IWorkflowInstances>().ListStartsAsync(["run-2", "run-3", "nobody"], None);

        starts.Keys.Order().ShouldBe(["run-2", "run-3"]);
        (starts["run-2"].Actor, starts["run-2"].Input["EntryId"]).ShouldBe((Steps.Operator, "entry of run-2"));
        (await Database.Get<IWorkflowInstances>().ListStartsAsync([], None)).ShouldBeEmpty();
    }

    private async Task<IEnumerable<string>> IdsAsync(WorkflowInstanceQuery query) => (await Database.Get<IWorkflowInstances>().ListAsync(query, None)).Select(s => s.Id);

    private static WorkflowInstanceRow Row(string id, DateTimeOffset at) => new()
    {
        Id = id, DefinitionId = "failback", DefinitionVersionId = "failback:1", DefinitionVersion = 1, Status = nameof(WorkflowStatus.Running),
        SubStatus = nameof(WorkflowSubStatus.Executing), CreatedAt = at, UpdatedAt = at, Snapshot = "{}",
    };
}
