using System.Globalization;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Runs;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback.AutomaticFailback;

/// <summary>
/// Finds the entries that may be failed back by themselves and has their workflow started (<c>automatic-failback</c>, or whatever definition
/// has the trigger). Level-triggered: it decides by what the tables say at each look (each poll of a broken server that answers, each
/// second for all, and at once after a change), so nothing is lost when a look fails. The occurrence is named by entry, boot, connection
/// and attempt, so a look that is made twice starts nothing twice. Only the server that is on <see cref="IWatch">watch</see> and has asked every recorder decides; what
/// is changed at another one it finds within a second.
/// </summary>
public sealed class AutomaticFailbacks(
    IFailoverLog log, AutomaticFailbackCheck check, IWatch watch, IDomainWriter writer, IWorkflowRuntime runtime, TimeProvider time, ILogger<AutomaticFailbacks> logger)
{
    /// <summary>In whose name automatic failbacks run.</summary>
    public static Actor Actor { get; } = new(ActorKind.Schedule, "automatic-failback", "Automatic failback");

    /// <summary>Looks at every failed server with an open entry that is to come home by itself. Of the others nothing follows: in an outage they may be hundreds, each second.</summary>
    public async Task DeriveAllAsync(CancellationToken cancellationToken)
    {
        foreach (var serverId in await log.ListServersToFailBackAsync(cancellationToken))
        {
            try
            {
                await DeriveAsync(serverId, cancellationToken);
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                logger.LogError(exception, "Whether {Server} may be failed back by itself could not be decided; the next look tries again", serverId);
            }
        }
    }

    /// <summary>Looks at the newest open entry of a failed server.</summary>
    public async Task DeriveAsync(string failedServerId, CancellationToken cancellationToken)
    {
        if (!watch.MayDecide || await check.FindNewestAsync(failedServerId, cancellationToken) is not { } entry)
        {
            return;
        }

        var decision = await check.DecideAsync(entry, null, cancellationToken);
        try
        {
            switch (decision.Verdict)
            {
                case AutomaticVerdict.Refused when decision.State?.RefusalCode != decision.Code:
                    await LogRefusalAsync(decision, cancellationToken);
                    break;
                case AutomaticVerdict.Yes:
                    await StartAsync(decision, cancellationToken);
                    break;
                default:
                    break;
            }
        }
        catch (ConcurrentChangeException)
        {
            logger.LogDebug("Another look at {Entry} was faster", entry.Id);
        }
    }

    private async Task LogRefusalAsync(AutomaticFailbackDecision decision, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var state = (decision.State ?? new() { EntryId = decision.Entry.Id }).Refused(now, decision.Code!, decision.Sentence);
        var text = $"{decision.Server!.Name} is not failed back by itself. {decision.Sentence}";
        await writer.ApplyAsync([new SaveAutomaticFailback(state), new Notify(new ChangeNotification("automaticFailback", decision.Entry.Id, text, now))], cancellationToken);
        logger.LogInformation("The automatic failback of {Entry} is refused: {Reason}", decision.Entry.Id, decision.Sentence);
    }

    private async Task StartAsync(AutomaticFailbackDecision decision, CancellationToken cancellationToken)
    {
        var (entry, server) = (decision.Entry, decision.Server!);
        var attempt = (decision.State?.Attempts ?? 0) + 1;
        var occasion = $"RecorderConnected;server={server.Id};occasion={RecorderConnected.AutomaticFailback}";
        await runtime.ResumeAsync(
            new Stimulus($"AutomaticFailback:{entry.Id}", Actor)
            {
                Occurrence = new Occurrence(
                    string.Create(CultureInfo.InvariantCulture, $"automatic-failback:{entry.Id}:{decision.Episode}:{attempt}"),
                    [$"RecorderConnected;occasion={RecorderConnected.AutomaticFailback}", occasion],
                    new Dictionary<string, object?>
                    {
                        ["Server"] = server.Id,
                        ["BootId"] = server.BootId,
                        ["Episode"] = server.ConnectionEpisode,
                        ["EntryId"] = entry.Id,
                        ["Attempt"] = attempt,
                    })
                {
                    Reason = decision.Sentence,
                    CorrelationId = entry.Id,
                },
            },
            cancellationToken);
    }
}
