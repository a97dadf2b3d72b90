using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.VmsServers;

namespace FailbackWorkflows.Failback.AutomaticFailover;

/// <summary>A duty that should have been taken over by itself and was not, as things stand now.</summary>
/// <param name="Identity">The recorded identity.</param>
/// <param name="Title">The fact, in a line.</param>
/// <param name="Sentence">Why not; of a refusal candidate by candidate.</param>
/// <param name="Next">What to do.</param>
/// <param name="Since">Since when.</param>
public sealed record FailoverAlert(string Identity, string Title, string Sentence, string Next, DateTimeOffset? Since);

/// <summary>Finds them. Derived at each look, so an alert is gone when the server is back, the failover has begun or automatic failover was turned off.</summary>
public sealed class FailoverAlerts(IAutomaticFailovers states, AutomaticFailoverCheck check)
{
    public async Task<IReadOnlyList<FailoverAlert>> ListAsync(CancellationToken cancellationToken)
    {
        var alerts = new List<FailoverAlert>();
        foreach (var state in await states.ListUnsuccessfulAsync(cancellationToken))
        {
            var decision = await check.DecideAsync(state.Identity, null, cancellationToken);
            if (decision is { Verdict: not AutomaticVerdict.No, Server: { } server, Holder: { } holder } && Describe(state, decision, server, holder) is { } alert)
            {
                alerts.Add(alert);
            }
        }

        return alerts;
    }

    private static FailoverAlert? Describe(AutomaticFailoverState state, AutomaticFailoverDecision decision, VmsServer server, VmsServer holder)
    {
        var isRefused = state.RefusalCode?.EndsWith($":{decision.Episode}", StringComparison.Ordinal) == true;
        if (!isRefused && (state.LastMessage is null || state.Episode != decision.Episode))
        {
            return null;
        }

        var lost = holder.Id == server.Id ? $"{server.Name} is lost" : $"{holder.Name}, which has the duty of {server.Name}, is lost";
        return new(
            server.Id,
            $"{lost}, and its duty is not taken over by itself",
            isRefused ? state.Refusal! : $"Attempt {state.Attempts} failed: {state.LastMessage}",
            $"Start a failover of {server.Name} to a server of your choice, or remove what is in the way: it is tried again by itself.",
            isRefused ? state.RefusedAt : state.LastEndedAt);
    }
}
