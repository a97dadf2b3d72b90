using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;

namespace FailbackWorkflows.Failback.Duties;

/// <summary>Looks whether the server a duty was granted to really records it. Whoever stops a server that records looks here first.</summary>
public sealed class HolderLook(DutyCalls calls, IRecorderClient recorders)
{
    /// <summary>Older frames prove nothing about now; the age is by the recorder's own clock.</summary>
    public static readonly TimeSpan FreshFrame = TimeSpan.FromSeconds(5);

    /// <summary>
    /// True when the holder answers, has the duty under the current epoch and has just written a frame. Raises the fence there. A holder that
    /// does not answer is not seen.
    /// </summary>
    public Task<bool> IsSeenRecordingAsync(ActivityExecutionContext context, Duty duty, CancellationToken cancellationToken) => IsSeenRecordingAsync(
        duty,
        async (endpoint, _) => await calls.RaiseFenceAsync(context, duty.Identity, endpoint, cancellationToken),
        cancellationToken);

    /// <summary>As above, for who has no claim and therefore no fence to raise.</summary>
    public Task<bool> IsSeenRecordingAsync(Duty duty, CancellationToken cancellationToken) => IsSeenRecordingAsync(
        duty,
        (_, status) => Task.FromResult(status.Duties.FirstOrDefault(d => d.Identity == duty.Identity)),
        cancellationToken);

    /// <summary>True when at least one channel records and has a fresh frame of this epoch.</summary>
    public async Task<bool> HasFreshFramesAsync(RecorderEndpoint endpoint, string identity, CancellationToken cancellationToken)
    {
        var recording = await recorders.GetRecordingAsync(endpoint, identity, cancellationToken);
        return recording.Channels.Any(c => c.Recording && c.FirstFrameAt is not null && c.LastFrameAt is { } last && recording.AsOf - last <= FreshFrame);
    }

    private async Task<bool> IsSeenRecordingAsync(Duty duty, Func<RecorderEndpoint, RecorderStatus, Task<DutyState?>> read, CancellationToken cancellationToken)
    {
        try
        {
            var holder = await calls.GetServerAsync(duty.HolderServerId, cancellationToken);
            var endpoint = calls.EndpointOf(holder);
            var status = await recorders.GetStatusAsync(endpoint, cancellationToken);
            return (holder.MachineId is null || status.Id == holder.MachineId)
                && await read(endpoint, status) is { Role: DutyRole.Recorder } seen
                && seen.Epoch == duty.Epoch
                && seen.AllocationId == duty.AllocationId
                && await HasFreshFramesAsync(endpoint, duty.Identity, cancellationToken);
        }
        catch (RecorderException exception) when (exception.IsTransient || exception.Kind == RecorderErrorKind.NotFound)
        {
            return false;
        }
    }
}
