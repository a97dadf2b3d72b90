using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Failback.MaterialCopy;

/// <summary>
/// Gives the hold at the source the end that nobody has given it: an entry that a newer one closed was never handed over by itself. Speaks
/// under the present fence of the duty and, like the poll, not while another run has its claim.
/// </summary>
[Activity("Failback.EndOwedHold", Category = "Material copy", DisplayName = "End the hold that is still open", Description = "Gives the retention hold at the source its end, if it has none yet.")]
public sealed class EndOwedHold(CopyCalls calls, IMaterialCopies copies, IDuties duties, IObligations obligations, HoldEnds ends) : CopyActivity
{
    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan WhileOwed = TimeSpan.FromMinutes(1);

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var task = await calls.GetTaskAsync(context, cancellationToken);
        if (await copies.FindHoldAsync(task.EntryId, task.SourceServerId, cancellationToken) is not { ToUtc: null } hold)
        {
            return ActivityResult.Completed();
        }

        // Read before the claim is looked for: a run that takes it after that draws a larger fence than this, and raises it before it looks. So what is
        // told below was there before that look, or is refused.
        var duty = await calls.Servers.GetDutyAsync(task.Identity, cancellationToken);
        var now = context.Time.GetUtcNow();
        if (await duties.FindClaimAsync(DutyClaim.Identity(task.Identity), cancellationToken) is not null)
        {
            return ActivityResult.RunAgainAt(now + LookAgainAfter);
        }

        // The end is told under the current epoch, which would stop a server that has not heard of it: that is delivered first, and with care.
        if ((await obligations.ListOpenAsync(task.SourceServerId, task.Identity, cancellationToken)).Any(o => o.Kind is ObligationKind.Stop or ObligationKind.StandBy))
        {
            return ActivityResult.RunAgainAt(now + WhileOwed);
        }

        try
        {
            var changes = new List<IDomainChange> { await ends.GiveAsync(await calls.Servers.GetEndpointAsync(hold.ServerId, cancellationToken), hold, task.Definition!.Period.ToUtc, new(duty.Epoch, duty.Fence), context.CallKey, cancellationToken) };
            if (task.WaitsForServerId is not null)
            {
                changes.Add(new SaveCopyTask(task with { WaitsForServerId = null }));
            }

            return ActivityResult.Completed().WithChanges(changes);
        }
        catch (RecorderException exception) when (exception.IsTransient)
        {
            return WaitFor(context, task, task.SourceServerId);
        }
        catch (RecorderException exception) when (exception.Kind == RecorderErrorKind.StaleAuthority)
        {
            // Another run has just raised the fence; it is heard first.
            return ActivityResult.RunAgainAt(now + LookAgainAfter);
        }
    }
}

/// <summary>
/// Obtains the credential with which the target may read the material of this identity and period at the source. The generation was drawn
/// before, so a repeat gives the same token. The token is kept encrypted and appears in no journal.
/// </summary>
[Activity("Failback.IssueReadToken", Category = "Material copy", DisplayName = "Obtain the read credential", Description = "Asks the source for a credential to read the period's material.")]
public sealed class IssueReadToken(CopyCalls calls, IMaterialCopyClient recorders, ISecretProtector secrets) : CopyActivity
{
    /// <summary>What the target asks for may lie beside the period by as much as the clocks differ.</summary>
    private static readonly TimeSpan Slack = TimeSpan.FromHours(1);

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var task = await calls.GetTaskAsync(context, cancellationToken);
        var period = task.Definition!.Period;
        try
        {
            var token = await recorders.IssueReadTokenAsync(
                await calls.GetSourceAsync(task, cancellationToken),
                task.TaskId,
                new ReadTokenRequest(task.Identity, period.FromUtc - Slack, period.ToUtc + Slack, task.TokenGeneration, task.Definition.Reason),
                await calls.GetAuthorityAsync(context, task, cancellationToken),
                context.CallKey($"token-{task.TokenGeneration}"),
                cancellationToken);
            return ActivityResult.Completed().WithChanges(
                new SaveCopyTask(task with { ProtectedToken = secrets.Protect(token.Token), WaitsForServerId = null, IsRevocationOwed = false }));
        }
        catch (RecorderException exception) when (exception.IsTransient)
        {
            return WaitFor(context, task, task.SourceServerId);
        }
        catch (RecorderException exception) when (exception.Kind == RecorderErrorKind.Conflict && task.TokenGeneration < Forgotten(context))
        {
            // The source has issued generations that a database which was set back does not know. One number beyond them ends them all.
            return ActivityResult.RunAgainAt(context.Time.GetUtcNow()).WithChanges(new SaveCopyTask(task with { TokenGeneration = Forgotten(context), ProtectedToken = null }));
        }
    }

    /// <summary>A generation beyond any that can have been drawn: a new one comes once a minute at most, and this one counts minutes.</summary>
    private static int Forgotten(ActivityExecutionContext context) => (int)(context.Time.GetUtcNow().ToUnixTimeSeconds() / 60);
}

/// <summary>
/// Ends the hold at the source: its material is home and verified, or there never was any. A source that is away does not hold up the log;
/// the order is kept and delivered when it is seen again.
/// </summary>
[Activity("Failback.ReleaseRetentionHold", Category = "Material copy", DisplayName = "Release the hold", Description = "Ends the retention hold at the source; the debt is gone.")]
[FlowNode("Released", "Owed")]
[Retry(3, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 2000)]
public sealed class ReleaseRetentionHold(CopyCalls calls, IMaterialCopies copies, IMaterialCopyClient recorders) : CopyActivity
{
    private const int Attempts = 3;

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var task = await calls.GetTaskAsync(context, cancellationToken);
        if (await copies.FindReleaseAsync(task.EntryId, task.SourceServerId, cancellationToken) is not { ReleasedAt: null } order)
        {
            return ActivityResult.Completed("Released");
        }

        try
        {
            await recorders.ReleaseRetentionHoldAsync(
                await calls.GetSourceAsync(task, cancellationToken),
                new ReleaseHoldCommand(task.EntryId, task.Identity, task.TaskId, await calls.GetAuthorityAsync(context, task, cancellationToken), order.Release, order.Reason),
                // An order that was given anew while the first was on its way is another command.
                context.CallKey($"release-{order.Revision}"),
                cancellationToken);
        }
        catch (RecorderException exception) when (exception.Kind == RecorderErrorKind.NotFound)
        {
            // No hold any more: what was asked for is so.
        }
        catch (RecorderException exception) when (!exception.IsTransient || context.Attempt >= Attempts)
        {
            return ActivityResult.Completed("Owed").WithChanges(
                new SaveHoldRelease(order with { LastError = exception.Message }),
                Tell(context, "alarm", task.EntryId, $"The hold at {task.SourceServerId} could not be released yet, although its material is home. It is tried again."));
        }

        return ActivityResult.Completed("Released").WithChanges(new SaveHoldRelease(order with { LastError = null, ReleasedAt = context.Time.GetUtcNow() }));
    }
}

/// <summary>Ends the read credential at the source. One that cannot be told now is told when it is seen again.</summary>
[Activity("Failback.RevokeReadToken", Category = "Material copy", DisplayName = "Revoke the read credential", Description = "Ends the credential at the source.")]
[Retry(3, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 2000)]
public sealed class RevokeReadToken(CopyCalls calls, IMaterialCopyClient recorders) : CopyActivity
{
    private const int Attempts = 3;

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var task = await calls.GetTaskAsync(context, cancellationToken);
        if (task.TokenGeneration == 0)
        {
            return ActivityResult.Completed();
        }

        try
        {
            await recorders.RevokeReadTokenAsync(
                await calls.GetSourceAsync(task, cancellationToken),
                task.TaskId,
                task.Identity,
                await calls.GetAuthorityAsync(context, task, cancellationToken),
                context.CallKey("revoke"),
                cancellationToken);
        }
        catch (RecorderException exception) when (exception.Kind == RecorderErrorKind.NotFound)
        {
            // It never knew of one, or it is gone: as good.
        }
        catch (RecorderException exception) when (!exception.IsTransient || context.Attempt >= Attempts)
        {
            return ActivityResult.Completed().WithChanges(new SaveCopyTask(task with { ProtectedToken = null, IsRevocationOwed = true }));
        }

        return ActivityResult.Completed().WithChanges(new SaveCopyTask(task with { ProtectedToken = null, IsRevocationOwed = false }));
    }
}
