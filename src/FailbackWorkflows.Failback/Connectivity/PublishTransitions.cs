using System.Globalization;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Failback.Policies;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback.Connectivity;

/// <summary>
/// Tells workflows of recorders that came or went: runs that wait are woken, definitions with such a trigger are started. It reads the
/// history of connections in its order and remembers how far it came, so a crash at any moment tells again rather than never; a start
/// happens once per occurrence all the same. Only the server that is on <see cref="IWatch">watch</see> and has asked every recorder tells.
/// </summary>
public sealed class PublishTransitions(
    IConnectivityHistory history, ISystemSettings settings, IDomainWriter writer, IWatch watch, IWorkflowRuntime runtime, ILogger<PublishTransitions> logger)
{
    /// <summary>Key in the system settings: sequence number of the last transition that was told of.</summary>
    public const string Key = "connectivityPublished";

    private const int BatchSize = 200;

    /// <summary>Looks that fail at the same transition before it is left out.</summary>
    private const int MostFailures = 10;

    private readonly SemaphoreSlim _gate = new(1, 1);
    private int _failures;
    private int _isOnItsWay;

    /// <summary>Tells of everything that has not been told yet, and returns when that is done.</summary>
    public async Task ExecuteAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            // Read anew each time: another management server may have told of more since.
            var term = watch.Term;
            var published = await settings.FindAsync(Key, cancellationToken) is { } text ? long.Parse(text, CultureInfo.InvariantCulture) : 0;
            while (IsOurs(term) && await history.ReadAfterAsync(published, BatchSize, cancellationToken) is { Count: > 0 } batch)
            {
                published = await PublishAsync(batch, published, term, cancellationToken);
            }
        }
        catch (ConcurrentChangeException)
        {
            logger.LogInformation("Another management server has taken the watch and tells workflows of the recorders' connections from here on");
        }
        finally
        {
            _gate.Release();
        }
    }

    private bool IsOurs(long term) => watch.MayDecide && watch.Term == term;

    private async Task<long> PublishAsync(IReadOnlyList<ConnectivityTransition> batch, long published, long term, CancellationToken cancellationToken)
    {
        var told = published;
        try
        {
            foreach (var transition in batch)
            {
                if (!IsOurs(term))
                {
                    break;
                }

                await PublishAsync(transition, cancellationToken);
                told = transition.Sequence;
            }
        }
        finally
        {
            // Also when one of them failed: the next look begins with that one, so that its failures are counted and those before it are not told again.
            if (told > published)
            {
                await writer.ApplyAsync([.. watch.Require(term), new SaveSystemSetting(Key, told.ToString(CultureInfo.InvariantCulture))], cancellationToken);
            }
        }

        return told;
    }

    private async Task PublishAsync(ConnectivityTransition transition, CancellationToken cancellationToken)
    {
        if (TransitionStimulus.Of(transition) is not { } stimulus)
        {
            return;
        }

        try
        {
            await runtime.ResumeAsync(stimulus, cancellationToken);
            _failures = 0;
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested && ++_failures >= MostFailures)
        {
            // One that cannot be told must not keep all that came after it from being told.
            _failures = 0;
            logger.LogError(exception, "Workflows could not be told that {Server} is {Connection} (transition {Sequence}); it is left out", transition.ServerId, transition.To, transition.Sequence);
        }
    }

    /// <summary>The same, on its own: whoever has just committed a transition does not wait for the workflows. What fails is done by the next look.</summary>
    public void Soon()
    {
        if (Interlocked.Exchange(ref _isOnItsWay, 1) == 0)
        {
            _ = Task.Run(async () =>
            {
                Volatile.Write(ref _isOnItsWay, 0);
                try
                {
                    await ExecuteAsync(CancellationToken.None);
                }
                catch (Exception exception)
                {
                    logger.LogWarning(exception, "Workflows could not be told of a recorder's connection; it is tried again");
                }
            });
        }
    }
}

/// <summary>A transition in the words of the engine.</summary>
internal static class TransitionStimulus
{
    /// <summary>Null when no workflow is to hear of it.</summary>
    public static Stimulus? Of(ConnectivityTransition transition)
    {
        if (transition.Kind == TransitionKind.Calmed)
        {
            return null;
        }

        var isLoss = transition.Kind == TransitionKind.Disconnected;
        var name = isLoss ? "RecorderDisconnected" : "RecorderConnected";
        var input = new Dictionary<string, object?>
        {
            ["Server"] = transition.ServerId,
            ["BootId"] = transition.BootId,
            ["Episode"] = transition.Episode,
            ["At"] = transition.At.UtcDateTime.ToString("O"),
            ["Cause"] = transition.Reason,
        };
        return new Stimulus(
            isLoss ? RecorderDisconnected.KeyOf(transition.ServerId) : RecorderConnected.KeyOf(transition.ServerId),
            new Actor(ActorKind.RecorderSignal, transition.ServerId, transition.ServerId),
            input)
        {
            Occurrence = new Occurrence(
                string.Create(CultureInfo.InvariantCulture, $"{name}:{transition.ServerId}:{transition.BootId}:{transition.Episode}"),
                [name, $"{name};server={transition.ServerId}"],
                input)
            {
                Reason = transition.Reason,
            },
        };
    }

    /// <summary>The bookmark of an activity that waits for the next transition of one recorder.</summary>
    public static ActivityResult WaitFor(ActivityExecutionContext context, Input<string>? server, string name, Func<string, string> keyOf) =>
        context.GetOrDefault(server) is { Length: > 0 } serverId
            ? ActivityResult.Suspended(null, new BookmarkRequest(name, keyOf(serverId), null, RunsAgain: true))
            : throw new ActivityFaultException("input.missing", "On the way of a run this activity waits for one recorder: give its id.", false);

    public static string? Text(IReadOnlyDictionary<string, object?> payload, string name) => payload.TryGetValue(name, out var value) ? PlainValue.ToText(value) is { Length: > 0 } text ? text : null : null;
}
