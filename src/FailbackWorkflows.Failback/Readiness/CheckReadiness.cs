using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.VmsServers;

namespace FailbackWorkflows.Failback.Readiness;

/// <summary>How readiness is looked at by itself.</summary>
public sealed class ReadinessOptions
{
    /// <summary>How often every server is looked at; 1 min to 7 days. Null: only when somebody asks. Default: 15 min.</summary>
    public TimeSpan? Interval { get; set; } = TimeSpan.FromMinutes(15);

    /// <summary>Servers looked at at the same time; 1 to 256. Default: 8.</summary>
    public int MaxConcurrency { get; set; } = 8;
}

/// <summary>
/// A dry run: plays the beginning of the failback (or, without an open failover log entry, of the failover as if the server had just failed)
/// on a <see cref="DryRunStage"/>. What decides is the published definition with the activities of the run itself; what may keep the run from
/// starting (another run, something owed, maintenance mode) is decided by the hooks of the start. Nothing is changed but the stored result.
/// </summary>
public sealed class CheckReadiness(
    IVmsServers servers,
    ReadinessStamps stamps,
    WorkflowRehearsal rehearsal,
    DryRunParts parts,
    StartFailback failback,
    StartFailover failover,
    FailoverServerSelection selection,
    IReadinessResults results,
    ReadinessOptions options,
    IDomainWriter writer,
    TimeProvider time)
{
    /// <summary>The id of a request to start that is only played.</summary>
    private const string RequestId = "dry-run";

    /// <summary>Looks at one server now and keeps the result; null: there is no such server. Safe to repeat.</summary>
    public async Task<ReadinessResult?> ExecuteAsync(string serverId, Actor actor, CancellationToken cancellationToken)
    {
        if (await servers.FindAsync(serverId, cancellationToken) is not { } server)
        {
            return null;
        }

        var result = await LookAsync(await stamps.ReadAsync(server, cancellationToken), actor, cancellationToken);
        var changes = ReadinessNews.Keep(server, result, await results.FindAsync(serverId, result.Kind, cancellationToken));
        await writer.ApplyAsync(changes, cancellationToken);
        return changes.OfType<SaveReadiness>().Single().Result;
    }

    /// <summary>Looks at one server now. The subject is read before: what changes meanwhile makes the result expire.</summary>
    public async Task<ReadinessResult> LookAsync(ReadinessSubject subject, Actor actor, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var blank = new ReadinessResult
        {
            ServerId = subject.Server.Id,
            Kind = subject.Kind,
            Outcome = ReadinessOutcome.Ready,
            EntryId = subject.Entry?.Id,
            FailoverServerId = subject.Entry?.FailoverServerId,
            Checks = [],
            CheckedAt = now,
            CheckedBy = actor.Name,
            DueAt = options.Interval is { } interval ? now + Spread(interval, subject.Server.Id) : null,
            Stamp = subject.Stamp,
        };
        return subject.Entry is { } entry
            ? await PlayAsync(blank, failback.ToWorkflow(new(entry.Id, RequestId, actor, null), entry), null, cancellationToken)
            : await LookAtFailoverAsync(blank, subject.Server, actor, cancellationToken);
    }

    private async Task<ReadinessResult> LookAtFailoverAsync(ReadinessResult blank, VmsServer server, Actor actor, CancellationToken cancellationToken)
    {
        if (!server.IsFailoverEnabled)
        {
            return blank with
            {
                Outcome = ReadinessOutcome.NotEnabled,
                Sentence = $"Failover is not enabled for {server.Name}: nobody takes its duty over. An administrator enables it in its general settings.",
            };
        }

        var selected = await selection.SelectAsync(server.Id, enough: 1, cancellationToken);
        if (selected.Chosen is not { } candidate)
        {
            return blank with
            {
                Outcome = ReadinessOutcome.NotReady,
                Sentence = selected.Message,
                IsOnlyBusy = selected.IsOnlyBusy,
                Checks = [new(null, "Failover server", ReadinessCheckOutcome.Refused, selected.Message)],
            };
        }

        return await PlayAsync(
            blank with { FailoverServerId = candidate.ServerId, Checks = [new(null, "Failover server", ReadinessCheckOutcome.Passed, null)] },
            failover.ToWorkflow(new(server.Id, candidate.ServerId, RequestId, actor, null), RequestId),
            server.Id,
            cancellationToken);
    }

    private async Task<ReadinessResult> PlayAsync(ReadinessResult blank, StartWorkflow request, string? failedServer, CancellationToken cancellationToken)
    {
        var stage = parts.CreateStage(failedServer);
        RehearsedRun played;
        try
        {
            played = await rehearsal.PlayAsync(request, stage, cancellationToken);
        }
        catch (WorkflowRefusedException refusal)
        {
            var refused = StartRunResult.From(refusal, blank.EntryId);
            return blank with
            {
                Outcome = ReadinessOutcome.NotReady,
                Sentence = refused.Message,
                IsOnlyBusy = refused.Outcome == StartRunOutcome.Busy,
                Checks = [.. blank.Checks, new(null, "Start", ReadinessCheckOutcome.Refused, refused.Message)],
            };
        }

        // Read as any run is read: what a page says of the dry run is what it would say of the run.
        var report = RunReports.Of(played.Instance, played.Definition, played.Journal);
        var steps = report.Steps.Where(step => step.Number is not null && IsLookedAt(played.Definition.Nodes[step.NodeId])).ToList();
        var checks = steps.Select(step => ToCheck(step, stage.FirstRefusal is not null)).ToList();
        var (number, decision, offer) = Decide(report, stage, steps);
        return blank with
        {
            Outcome = decision is not null ? ReadinessOutcome.NotReady
                : checks.Exists(c => c.Outcome == ReadinessCheckOutcome.Warning) ? ReadinessOutcome.ReadyWithWarnings
                : ReadinessOutcome.Ready,
            Number = number,
            Sentence = decision,
            Offer = offer,
            Checks = [.. blank.Checks, new(null, "Start", ReadinessCheckOutcome.Passed, null), .. checks],
        };
    }

    /// <summary>What ends or turns the run back, in the order in which the run would come to it: a refusal, a step that failed, an error.</summary>
    private static (int? Number, string? Sentence, string? Offer) Decide(RunReport report, DryRunStage stage, List<RunStep> steps)
    {
        if (stage.FirstRefusal is { } refusal)
        {
            return (refusal.Number, refusal.Sentence ?? "A check refuses, and gives no reason.", refusal.Offer);
        }

        if (steps.Find(step => step.State is RunStepState.Failed or RunStepState.Faulted) is { } failed)
        {
            return (failed.Number, failed.Message ?? $"{failed.Name} fails, and gives no reason.", null);
        }

        return report.SubStatus == WorkflowSubStatus.Faulted ? (null, report.Message ?? "The run would be stopped by an error.", null) : default;
    }

    private static ReadinessCheck ToCheck(RunStep step, bool isRefused)
    {
        var message = step.Message ?? step.Parts.Select(part => part.Message).LastOrDefault(m => m is not null);
        return step.State switch
        {
            RunStepState.Refused or RunStepState.Failed => new(step.Number, step.Name, ReadinessCheckOutcome.Refused, message),

            // After a refusal it lacked what the refusing check would have told it.
            RunStepState.Faulted when !isRefused => new(step.Number, step.Name, ReadinessCheckOutcome.Refused, message),
            RunStepState.Faulted or RunStepState.NotExecuted => new(step.Number, step.Name, ReadinessCheckOutcome.NotChecked, null),
            _ => new(step.Number, step.Name, message is null ? ReadinessCheckOutcome.Passed : ReadinessCheckOutcome.Warning, message),
        };
    }

    /// <summary>The step, or a part of it, is executed in a dry run.</summary>
    private static bool IsLookedAt(ActivityNode node) =>
        node.Descriptor is { Shape: ActivityShape.Code, Rehearsal: RehearsalMode.Executes } && !node.Descriptor.Type.StartsWith("Elsa.", StringComparison.Ordinal)
        || node.Children.Any(IsLookedAt);

    /// <summary>The interval and up to a fifth of it, by the server's id: what was looked at together drifts apart, the same way after each start.</summary>
    private static TimeSpan Spread(TimeSpan interval, string serverId)
    {
        const int Parts = 1000;
        var hash = serverId.Aggregate(17u, (sum, c) => unchecked((sum * 31) + c));
        return interval + (interval / 5 * (hash % Parts) / Parts);
    }
}
