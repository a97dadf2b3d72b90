using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Server.Identity;
using Microsoft.Extensions.DependencyInjection;

namespace FailbackWorkflows.Tests.Server.Studio;

/// <summary>Runs that are in the store as if they had happened, for tests of what the designer shows of them and asks for.</summary>
internal static class StoredRuns
{
    public static DateTimeOffset At { get; } = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    public static Actor Olga { get; } = new(ActorKind.User, "7", "Olga");

    /// <summary>A run with this journal.</summary>
    /// <param name="definitionId">Null: of a workflow of its own with two lines.</param>
    public static async Task<StoredRun> AddRunAsync(this ServerHarness server, WorkflowSubStatus subStatus, string? definitionId = null, params JournalEvent[] events)
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var model = definitionId is null
            ? await ines.SaveAsync(Definitions.Model(Definitions.NewName(), null, "one", "two"), publish: true, "to be run")
            : await ines.ReadAsync($"/workflow-definitions/by-definition-id/{definitionId}?versionOptions=Published");
        var (definition, flow) = ((string)model["definitionId"]!, (string)model["root"]!["id"]!);
        var id = $"run-{Guid.NewGuid():N}";
        List<JournalEvent> journal =
        [
            new InstanceStarted { At = At, IsFact = true, DefinitionId = definition, DefinitionVersionId = $"{definition}:1", DefinitionSha256 = "", Input = new Dictionary<string, object?>(), Actor = Olga, Reason = "a test" },
            .. events.Select(e => e is ActivityEvent activity ? activity with { NodeId = $"{flow}:{activity.NodeId}" } : e is InstanceFaulted faulted ? faulted with { NodeId = $"{flow}:{faulted.NodeId}" } : e),
        ];
        for (var i = 0; i < journal.Count; i++)
        {
            journal[i].Sequence = i + 1;
        }

        var hasEnded = subStatus != WorkflowSubStatus.Suspended;
        await server.App.Services.GetRequiredService<IWorkflowStore>().CommitAsync(
            new StepCommit
            {
                Lease = new Lease(id, "test", 1, At.AddHours(1), 0),
                IsStart = true,
                Releases = true,
                Events = journal,
                At = At,
                LeaseUntil = At.AddHours(1),
                Instance = new StoredInstance
                {
                    Id = id,
                    DefinitionId = definition,
                    DefinitionVersionId = $"{definition}:1",
                    DefinitionVersion = 1,
                    Name = (string)model["name"]!,
                    Status = hasEnded ? WorkflowStatus.Finished : WorkflowStatus.Running,
                    SubStatus = subStatus,
                    IncidentCount = subStatus == WorkflowSubStatus.Faulted ? 1 : 0,
                    CreatedAt = At,
                    UpdatedAt = At,
                    FinishedAt = hasEnded ? At : null,
                    LastSequence = journal.Count,
                    Snapshot = "{}",
                },
            },
            default);
        return new(id, definition, flow);
    }
}

internal sealed record StoredRun(string Id, string DefinitionId, string Flow)
{
    public string Node(string activity) => $"Workflow1:{Flow}:{activity}";
}
