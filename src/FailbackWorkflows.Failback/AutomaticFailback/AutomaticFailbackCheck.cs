using System.Globalization;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Failback.Maintenance;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.VmsServers;

namespace FailbackWorkflows.Failback.AutomaticFailback;

/// <summary>A verdict and what it is based on.</summary>
/// <param name="Sentence">Why; for the operator.</param>
/// <param name="Code">Of a refusal: stays the same as long as its cause.</param>
/// <param name="NextAt">Of waiting: until when.</param>
public sealed record AutomaticFailbackDecision(
    AutomaticVerdict Verdict, string Sentence, FailoverLogEntry Entry, VmsServer? Server, AutomaticFailbackState? State, string? Code = null, DateTimeOffset? NextAt = null)
{
    /// <summary>Boot and connection of the failed server: an attempt belongs to one.</summary>
    public string Episode => string.Create(CultureInfo.InvariantCulture, $"{Server?.BootId}:{Server?.ConnectionEpisode}");
}

/// <summary>Decides whether an entry may be failed back by itself, by what the tables say now. The same for the start of a run and within it.</summary>
public sealed class AutomaticFailbackCheck(
    IFailoverLog log, IVmsServers servers, IDuties duties, ObligationsInTheWay inTheWay, RecordersKnowMore doubts, IAutomaticFailbacks states, IMaintenanceModes maintenance, LicenseCheck licenses, TimeProvider time)
{
    /// <summary>Whether an entry may be failed back by itself now, and why or why not. Only reads.</summary>
    /// <param name="runId">The run that is at the entry's attempt and asks; null: nobody is.</param>
    public async Task<AutomaticFailbackDecision> DecideAsync(FailoverLogEntry entry, string? runId, CancellationToken cancellationToken)
    {
        var server = await servers.FindAsync(entry.FailedServerId, cancellationToken);
        var state = await states.FindAsync(entry.Id, cancellationToken);
        var now = time.GetUtcNow();
        if (server is not { IsFailoverEnabled: true, IsAutomaticFailbackEnabled: true })
        {
            return No("Automatic failback is not enabled for this server.");
        }

        if (!entry.CanFailBack)
        {
            return No("The failback of this entry is running or done, or its failover is not.");
        }

        if ((await FindNewestAsync(entry.FailedServerId, cancellationToken))?.Id != entry.Id)
        {
            return No("A newer failover of this server is open; its failback ends this one too.");
        }

        if (state?.RunId is { } running && running != runId)
        {
            return No("An automatic failback of this entry is running.");
        }

        if (await duties.FindClaimAsync(DutyClaim.Identity(entry.FailedServerId), cancellationToken) is { } claim && claim.InstanceId != runId)
        {
            return No($"A {claim.Kind} is at work on this server.");
        }

        if (!server.Answers)
        {
            return No($"{server.Name} is not connected.");
        }

        if (await doubts.FindAsync(entry.FailedServerId, cancellationToken) is { } doubt)
        {
            return doubt.Kind == DoubtKind.NotAskedYet ? No(doubt.Sentence) : Refused($"reconcile:{doubt.Kind}", $"The recorders know more about its duty than the database. {doubt.Sentence}");
        }

        // Its start would be refused, which would count as a failed attempt.
        if (await inTheWay.FindForFailbackAsync(entry.FailedServerId, entry.FailoverServerId, cancellationToken) is { } owed)
        {
            return No(owed);
        }

        var steadyAt = (server.ConnectedSince ?? server.CreatedAt) + server.StabilityDelay;
        if (now < steadyAt)
        {
            return Waits($"{server.Name} must have answered every poll for {server.StabilityDelay} first.", steadyAt);
        }

        if (runId is null && state?.NextAt is { } nextAt && now < nextAt && state.Episode == new AutomaticFailbackDecision(default, "", entry, server, state).Episode)
        {
            return Waits($"Attempt {state.Attempts} failed; the next one begins then.", nextAt);
        }

        if (await maintenance.FindActiveAsync(server.Id, now, cancellationToken) is { } mode)
        {
            return Refused(string.Create(CultureInfo.InvariantCulture, $"maintenance:{mode.Scope}:{mode.Episode}"), mode.Sentence);
        }

        var licensed = await licenses.CheckAsync(LicenseCheck.Failover, cancellationToken);
        return licensed.IsLicensed
            ? new(AutomaticVerdict.Yes, $"{server.Name} is connected again.", entry, server, state)
            : Refused($"license:{licensed.Message}", licensed.Message!);

        AutomaticFailbackDecision No(string sentence) => new(AutomaticVerdict.No, sentence, entry, server, state);
        AutomaticFailbackDecision Waits(string sentence, DateTimeOffset until) => new(AutomaticVerdict.Waits, sentence, entry, server, state, NextAt: until);
        AutomaticFailbackDecision Refused(string code, string sentence) => new(AutomaticVerdict.Refused, sentence, entry, server, state, code);
    }

    /// <summary>The entry whose failback would bring a server's duty home; null: there is none, or it is done.</summary>
    public async Task<FailoverLogEntry?> FindNewestAsync(string failedServerId, CancellationToken cancellationToken) =>
        (await log.ListOpenAsync(failedServerId, cancellationToken)).FirstOrDefault(entry => entry.Failover == FailoverState.Done);
}
