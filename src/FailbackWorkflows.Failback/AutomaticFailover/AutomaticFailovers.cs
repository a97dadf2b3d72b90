using System.Collections.Concurrent;
using System.Globalization;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.VmsServers;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback.AutomaticFailover;

/// <summary>
/// Finds the duties that are to be taken over by themselves and has their workflow started (<c>automatic-failover</c>, or whatever definition
/// has the trigger). Level-triggered: it decides at each look (each failed poll of a server that has duties, each second for all, and at once
/// after a change), so nothing is lost when a look fails. The occurrence is named by duty, holder, boot, connection and attempt, so a look that
/// is made twice starts nothing twice. Only the server that is on <see cref="IWatch">watch</see> and has asked every recorder decides; it counts the failed polls.
/// </summary>
public sealed class AutomaticFailovers(
    AutomaticFailoverCheck check,
    FailoverServerSelection selection,
    FailedPolls polls,
    IWatch watch,
    IVmsServers servers,
    IDuties duties,
    IDomainWriter writer,
    IWorkflowRuntime runtime,
    TimeProvider time,
    ILogger<AutomaticFailovers> logger)
{
    /// <summary>Candidates are not asked more often than this while none of them is fit.</summary>
    public static readonly TimeSpan SelectAgain = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, (string Episode, DateTimeOffset At)> _inVain = new(StringComparer.Ordinal);

    /// <summary>In whose name automatic failovers run.</summary>
    public static Actor Actor { get; } = new(ActorKind.Schedule, "automatic-failover", "Automatic failover");

    /// <summary>Looks at every duty whose holder failed its last poll.</summary>
    public async Task DeriveAllAsync(CancellationToken cancellationToken)
    {
        if (polls.Servers is not { Count: > 0 } failing)
        {
            return;
        }

        // Only what they have: one recorder that is gone for days is no reason to read the whole registry each second.
        var held = await duties.ListHeldAsync([.. failing], cancellationToken);
        var enabled = (await servers.ListAsync([.. held.Select(duty => duty.Identity)], cancellationToken)).Where(IsWanted).Select(server => server.Id).ToHashSet(StringComparer.Ordinal);
        foreach (var duty in held.Where(duty => enabled.Contains(duty.Identity)))
        {
            await DeriveAsync(duty.Identity, cancellationToken);
        }
    }

    /// <summary>Whether a server's duty is one to look at.</summary>
    internal static bool IsWanted(VmsServer server) => server is { IsFailoverEnabled: true, IsAutomaticFailoverEnabled: true };

    /// <summary>Looks at one duty. What cannot be decided now is decided by the next look.</summary>
    public async Task DeriveAsync(string identity, CancellationToken cancellationToken)
    {
        if (!watch.MayDecide)
        {
            return;
        }

        try
        {
            var decision = await check.DecideAsync(identity, null, cancellationToken);
            switch (decision.Verdict)
            {
                case AutomaticVerdict.Refused:
                    await LogRefusalAsync(decision, decision.Code!, decision.Sentence, cancellationToken);
                    break;
                case AutomaticVerdict.Yes when !(_inVain.TryGetValue(identity, out var before) && before.Episode == decision.Episode && time.GetUtcNow() < before.At + SelectAgain):
                    await SelectAsync(decision, cancellationToken);
                    break;
                default:
                    break;
            }
        }
        catch (ConcurrentChangeException)
        {
            logger.LogDebug("Another look at the duty of {Identity} was faster", identity);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            logger.LogError(exception, "Whether the duty of {Identity} may be taken over by itself could not be decided; the next look tries again", identity);
        }
    }

    private async Task SelectAsync(AutomaticFailoverDecision decision, CancellationToken cancellationToken)
    {
        var selected = await selection.SelectAsync(decision.Identity, enough: null, cancellationToken);
        if (selected.Chosen is not null)
        {
            _inVain.TryRemove(decision.Identity, out _);
            await StartAsync(decision, cancellationToken);
        }
        else if (!selected.IsOnlyBusy)
        {
            _inVain[decision.Identity] = (decision.Episode, time.GetUtcNow());
            await LogRefusalAsync(decision, $"nobody:{decision.Episode}", selected.Message!, cancellationToken);
        }
    }

    /// <summary>Logged once per code; the sentence that is kept follows what is so now.</summary>
    private async Task LogRefusalAsync(AutomaticFailoverDecision decision, string code, string sentence, CancellationToken cancellationToken)
    {
        var state = decision.State ?? new() { Identity = decision.Identity };
        if (state.RefusalCode == code && state.Refusal == sentence)
        {
            return;
        }

        var now = time.GetUtcNow();
        List<Engine.Storage.IDomainChange> changes = [new SaveAutomaticFailover(state.Refused(now, code, sentence))];
        if (state.RefusalCode != code)
        {
            changes.Add(new Notify(new ChangeNotification(
                "alarm", decision.Identity, $"The duty of {decision.Server!.Name} is not taken over by itself, and nobody may be recording its channels. {sentence}", now)));
            logger.LogWarning("The automatic failover of {Identity} is refused: {Reason}", decision.Identity, sentence);
        }

        await writer.ApplyAsync(changes, cancellationToken);
    }

    private async Task StartAsync(AutomaticFailoverDecision decision, CancellationToken cancellationToken)
    {
        var (identity, holder) = (decision.Identity, decision.Holder!);
        var attempt = (decision.State?.Attempts ?? 0) + 1;
        const string Occasion = $"RecorderDisconnected;occasion={RecorderDisconnected.AutomaticFailover}";
        await runtime.ResumeAsync(
            new Stimulus($"AutomaticFailover:{identity}", Actor)
            {
                Occurrence = new Occurrence(
                    string.Create(CultureInfo.InvariantCulture, $"automatic-failover:{identity}:{decision.Episode}:{attempt}"),
                    [Occasion, $"RecorderDisconnected;server={identity};occasion={RecorderDisconnected.AutomaticFailover}"],
                    new Dictionary<string, object?>
                    {
                        ["Server"] = holder.Id,
                        ["BootId"] = holder.BootId,
                        ["Episode"] = holder.ConnectionEpisode,
                        ["Cause"] = decision.Sentence,
                        ["FailedServerId"] = identity,
                        ["Attempt"] = attempt,
                    })
                {
                    Reason = decision.Sentence,
                },
            },
            cancellationToken);
    }
}
