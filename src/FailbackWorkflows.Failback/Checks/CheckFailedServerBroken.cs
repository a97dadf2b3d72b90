using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;

namespace FailbackWorkflows.Failback.Checks;

/// <summary>
/// Step 3: the failed server is still marked broken, but fit again: it answers, is the same machine, its software is not older, it can
/// write, and it does not record its own duty with authority. Changes nothing but the fence.
/// </summary>
[Activity("Failback.CheckFailedServerBroken", Category = "Failback", DisplayName = "Check failed server is broken", Description = "Is the failed server still out of duty, and fit to take it back?")]
[FlowNode("Broken", "Refused")]
[Retry(3, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 2000)]
[Rehearsal(RehearsalMode.Executes)]
public sealed class CheckFailedServerBroken(DutyCalls calls, IRecorderClient recorders) : DutyActivity
{
    public const int Number = 3;

    private const int MostNamed = 5;

    [Input(DisplayName = "Failed server", Description = "The recorder that gets its duty back.", UIHint = ActivityHints.VmsServer)]
    public required Input<string> FailedServer { get; init; }

    [Output(DisplayName = "Former revision", Description = "Settings revision active there before the run changes anything; undo goes back to it.")]
    public Output<long>? FormerRevision { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var serverId = context.Get(FailedServer);
        var server = await calls.GetServerAsync(serverId, cancellationToken);
        if (server.State != VmsServerState.Broken)
        {
            return Refuse("Refused", Number, $"{server.Name} is not marked broken: somebody put it back into service by hand. Find out who records its channels before anything is switched. If it records with its cameras, it can be adopted as it stands.", RunOffers.Adopt);
        }

        try
        {
            var endpoint = calls.EndpointOf(server);

            // Which machine it is comes before the fence: another machine must not be told anything.
            var status = await recorders.GetStatusAsync(endpoint, cancellationToken);
            if (FindWrongMachine(server, status) is { } wrongMachine)
            {
                return Refuse("Refused", Number, wrongMachine.Sentence, wrongMachine.Offer);
            }

            var duty = await calls.GetDutyAsync(serverId, cancellationToken);
            var seen = await calls.RaiseFenceAsync(context, serverId, endpoint, cancellationToken);
            if (seen.Epoch > duty.Epoch || (seen.Role == DutyRole.Recorder && seen.Recording) || seen.Disputed)
            {
                return Refuse("Refused", Number, $"{server.Name} records its own duty already (role {seen.Role}, epoch {seen.Epoch}; granted is {duty.Epoch}). Two recorders may be recording the same channels: find out who should, and stop the other. If it is {server.Name}, it can be adopted as it stands.", RunOffers.Adopt)
                    .WithAlarm(context, serverId, $"{server.Name} records although its duty is with {duty.HolderServerId} (split brain).");
            }

            var former = await recorders.ReadActiveRevisionAsync(endpoint, serverId, cancellationToken);
            var probe = await recorders.ProbeAsync(endpoint, serverId, cancellationToken);
            if (!probe.Writable)
            {
                return Refuse("Refused", Number, $"{server.Name} answers but cannot write: {probe.Reason} Repair its storage, then start the failback again.");
            }

            return FindUnwritable(probe) is { } unwritable
                ? Refuse("Refused", Number, $"{server.Name} answers but cannot write {unwritable} Repair where they are stored, then start the failback again.")
                : ActivityResult.Completed("Broken").With(FormerRevision, former);
        }
        catch (RecorderException exception) when (exception.IsTransient && context.Attempt >= 3)
        {
            return Refuse("Refused", Number, $"{server.Name} does not answer. Bring it back on the network, then start the failback again. ({exception.Message})");
        }
        catch (RecorderException exception) when (!exception.IsTransient)
        {
            return Refuse("Refused", Number, $"{server.Name} refused to be asked: {exception.Message}");
        }
    }

    /// <summary>The channels whose frames the failback would wait for in vain; null: there are none.</summary>
    private static string? FindUnwritable(ProbeResult probe)
    {
        var unwritable = (probe.Channels ?? []).Where(channel => channel is { Required: true, Writable: false }).ToList();
        return unwritable.Count switch
        {
            0 => null,
            <= MostNamed => $"{string.Join(", ", unwritable.Select(channel => channel.Name))}: {unwritable[0].Reason}",
            _ => $"{unwritable.Count} channels, {string.Join(", ", unwritable.Take(MostNamed).Select(channel => channel.Name))} among them: {unwritable[0].Reason}",
        };
    }

    private static (string Sentence, string? Offer)? FindWrongMachine(VmsServer server, RecorderStatus status)
    {
        if (server.MachineId is not null && status.Id != server.MachineId)
        {
            return ($"The machine at {server.BaseUrl} is not {server.Name}: its id is {status.Id}, known is {server.MachineId}. If the machine was exchanged, an administrator has to replace it in the registry first.", RunOffers.ReplaceMachine);
        }

        return Version.TryParse(server.SoftwareVersion, out var known) && Version.TryParse(status.SoftwareVersion, out var now) && now < known
            ? ($"{server.Name} came back with older software ({status.SoftwareVersion}, before {server.SoftwareVersion}). Update it, then start the failback again.", null)
            : null;
    }
}
