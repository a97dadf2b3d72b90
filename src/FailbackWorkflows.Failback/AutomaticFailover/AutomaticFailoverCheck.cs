using System.Globalization;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.VmsServers;

namespace FailbackWorkflows.Failback.AutomaticFailover;

/// <summary>A verdict and what it is based on.</summary>
/// <param name="Sentence">Why; for the operator.</param>
/// <param name="Holder">The server that has the duty and is lost, or is about to be.</param>
/// <param name="Code">Of a refusal: stays the same as long as its cause.</param>
/// <param name="NextAt">Of waiting: until when; null: not by time.</param>
public sealed record AutomaticFailoverDecision(
    AutomaticVerdict Verdict, string Sentence, string Identity, VmsServer? Server, VmsServer? Holder, AutomaticFailoverState? State, string? Code = null, DateTimeOffset? NextAt = null)
{
    /// <summary>Holder of the duty, its boot and connection: an attempt belongs to one.</summary>
    public string Episode => string.Create(CultureInfo.InvariantCulture, $"{Holder?.Id}:{Holder?.BootId}:{Holder?.ConnectionEpisode}");
}

/// <summary>
/// Decides whether a duty may be taken over by itself, by what the tables and the polls say now. The same for the start of a run and within
/// it. Which server takes it over is not its business. Maintenance mode holds nothing back here: it turns automatic failback off, and
/// somebody has to record all the same.
/// </summary>
public sealed class AutomaticFailoverCheck(IVmsServers servers, IDuties duties, IAutomaticFailovers states, FailedPolls polls, IWatch watch, RecordersKnowMore doubts, LicenseCheck licenses, TimeProvider time)
{
    /// <summary>Whether the duty of an identity may be taken over by itself now, and why or why not. Only reads.</summary>
    /// <param name="runId">The run that is at the attempt and asks; null: nobody is.</param>
    public async Task<AutomaticFailoverDecision> DecideAsync(string identity, string? runId, CancellationToken cancellationToken)
    {
        var server = await servers.FindAsync(identity, cancellationToken);
        if (server is not { IsFailoverEnabled: true, IsAutomaticFailoverEnabled: true })
        {
            return new(AutomaticVerdict.No, "Automatic failover is not enabled for this server.", identity, server, null, null);
        }

        var state = await states.FindAsync(identity, cancellationToken);
        var duty = await duties.FindAsync(identity, cancellationToken);
        var holder = duty is null ? null : await servers.FindAsync(duty.HolderServerId, cancellationToken);
        if (duty is null || holder is null)
        {
            return No("Nobody is known to have its duty.");
        }

        var isLost = holder.Connection == ConnectionState.Disconnected;
        if (!isLost && !IsIdle(server, holder))
        {
            return No($"{holder.Name} has its duty and answers.");
        }

        if (state?.RunId is { } running && running != runId)
        {
            return No("An automatic failover is running.");
        }

        if (await duties.FindClaimAsync(DutyClaim.Identity(identity), cancellationToken) is { } claim)
        {
            return No($"A {claim.Kind} is at work on this duty.");
        }

        // The run itself was started by polls of a process that may have ended since.
        var failed = polls.Of(holder.Id);
        if (runId is null && watch.IsOurs && failed < server.FailoverAfterPolls)
        {
            return new(
                AutomaticVerdict.Waits,
                $"{(isLost ? $"{holder.Name} does not answer" : $"{holder.Name} answers, but does not record")}: {failed} of {server.FailoverAfterPolls} polls have failed.",
                identity,
                server,
                holder,
                state);
        }

        if (runId is null && state?.NextAt is { } nextAt && time.GetUtcNow() < nextAt && state.Episode == No("").Episode)
        {
            return new(AutomaticVerdict.Waits, $"Attempt {state.Attempts} failed; the next one begins then. {state.LastMessage}", identity, server, holder, state, NextAt: nextAt);
        }

        if (await doubts.FindAsync(identity, cancellationToken) is { } doubt)
        {
            return doubt.Kind == DoubtKind.NotAskedYet
                ? No(doubt.Sentence)
                : No($"The recorders know more about this duty than the database. {doubt.Sentence}") with { Verdict = AutomaticVerdict.Refused, Code = $"reconcile:{No("").Episode}" };
        }

        var licensed = await licenses.CheckAsync(LicenseCheck.Failover, cancellationToken);
        if (licensed.IsLicensed && runId is null && !watch.IsOurs)
        {
            // It is asked about here, and decided elsewhere.
            return new(
                AutomaticVerdict.Waits,
                $"{(isLost ? $"{holder.Name} does not answer" : $"{holder.Name} is not known to record")}. {watch.Report?.Node ?? "Another management server"} is on watch and counts its failed polls.",
                identity,
                server,
                holder,
                state);
        }

        return licensed.IsLicensed
            ? new(AutomaticVerdict.Yes, isLost ? $"{holder.Name}, which has the duty of {server.Name}, does not answer." : $"Nobody records {server.Name}.", identity, server, holder, state)
            : No(licensed.Message!) with { Verdict = AutomaticVerdict.Refused, Code = $"license:{No("").Episode}" };

        AutomaticFailoverDecision No(string sentence) => new(AutomaticVerdict.No, sentence, identity, server, holder, state);
    }

    /// <summary>It has its own duty and is broken: a failback or failover left it with the duty, and it was not seen to record since.</summary>
    private static bool IsIdle(VmsServer server, VmsServer holder) => holder.Id == server.Id && server.State == VmsServerState.Broken;
}
