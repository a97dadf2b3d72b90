using System.Collections.Concurrent;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Persistence.Workflows;
using FailbackWorkflows.Server.Api.Changes;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Studio.Instances;
using Microsoft.AspNetCore.SignalR;

namespace FailbackWorkflows.Server.Studio.Hub;

/// <summary>
/// Tells viewers that the instances they show have changed, whichever node runs them: what is watched is looked at in the database, all of it in one question, a few
/// times a second and sooner when a signal of another node names it. With nobody watching it does nothing.
/// </summary>
internal sealed class InstanceWatch(
    IHubContext<InstanceHub> hub, IRunBrowser runs, RunViews views, INodeSignals signals, StandingAuthorization standing, TimeProvider time, ILogger<InstanceWatch> logger) : BackgroundService
{
    /// <summary>A burst of steps is told of once per look.</summary>
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(400);

    private readonly ConcurrentDictionary<string, Viewer> _viewers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> _told = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _wake = new(0);
    private long _lookedForRightsAt;

    /// <summary>The connection shows the instance from now on; what it showed before it still hears of.</summary>
    public void Observe(HubCallerContext connection, string instanceId)
    {
        _viewers.GetOrAdd(connection.ConnectionId, _ => new Viewer(connection)).Instances[instanceId] = true;
        _wake.Release();
    }

    public void Forget(string connectionId) => _viewers.TryRemove(connectionId, out _);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        signals.Subscribe(signal =>
        {
            if (signal is { Kind: NodeSignalKind.Posted, Subject: { } instance } && _viewers.Values.Any(v => v.Instances.ContainsKey(instance)))
            {
                _wake.Release();
            }
        });
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (_viewers.IsEmpty)
                {
                    _told.Clear();
                    await _wake.WaitAsync(stoppingToken);
                }

                await DropWhoMayNotAsync(stoppingToken);
                await LookAsync(stoppingToken);
                await Task.Delay(LookEvery, time, stoppingToken);
                while (_wake.Wait(0, CancellationToken.None))
                {
                    // What was signalled meanwhile is seen by the next look.
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                logger.LogWarning(exception, "What viewers watch could not be looked at; it is tried again");
                await Task.Delay(TimeSpan.FromSeconds(2), time, stoppingToken);
            }
        }
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        string[] watched = [.. _viewers.Values.SelectMany(v => v.Instances.Keys).Distinct(StringComparer.Ordinal)];
        foreach (var gone in _told.Keys.Except(watched, StringComparer.Ordinal).ToList())
        {
            _told.Remove(gone);
        }

        if (watched.Length == 0)
        {
            return;
        }

        foreach (var run in await runs.FindAsync(watched, cancellationToken))
        {
            if (_told.TryGetValue(run.Id, out var told) && told == run.LastSequence)
            {
                continue;
            }

            _told[run.Id] = run.LastSequence;
            var group = hub.Clients.Group(run.Id);

            // Badges first: the journal and the instance are read again when the viewer hears of them.
            await group.SendAsync("ActivityExecutionLogUpdatedAsync", new { stats = await views.CountAsync(run.Id, null, cancellationToken) }, cancellationToken);
            await group.SendAsync("WorkflowExecutionLogUpdatedAsync", new { }, cancellationToken);
            await group.SendAsync("WorkflowInstanceUpdatedAsync", new { workflowInstanceId = run.Id }, cancellationToken);
        }
    }

    /// <summary>A connection outlives the request that was authorized; whoever was signed out or lost the role meanwhile hears no more.</summary>
    private async Task DropWhoMayNotAsync(CancellationToken cancellationToken)
    {
        if (_lookedForRightsAt != 0 && time.GetElapsedTime(_lookedForRightsAt) < ChangeStream.LookAgainAfter)
        {
            return;
        }

        _lookedForRightsAt = time.GetTimestamp();
        foreach (var viewer in _viewers.Values)
        {
            if (viewer.Connection.User is not { } user || !await standing.MayAsync(user, Permissions.Read, cancellationToken))
            {
                Forget(viewer.Connection.ConnectionId);
                viewer.Connection.Abort();
            }
        }
    }

    private sealed record Viewer(HubCallerContext Connection)
    {
        public ConcurrentDictionary<string, bool> Instances { get; } = new(StringComparer.Ordinal);
    }
}
