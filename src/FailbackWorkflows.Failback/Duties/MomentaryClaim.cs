using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Failback.Duties;

/// <summary>
/// For what commands a recorder once and has no run that could keep a claim. In one transaction the claim on the duty is taken, which is refused
/// while anybody has it, a fence is drawn, and the claim is given back: nothing is left behind when the process dies. Whoever takes the claim afterwards draws a larger
/// fence and raises it before it looks, so a command under this one either was there before that look or is refused.
/// </summary>
internal static class MomentaryClaim
{
    /// <param name="claimant">Named to whoever is refused meanwhile.</param>
    /// <param name="duty">As it was read: a fence drawn since, or another holder, makes the transaction fail with <see cref="ConcurrentChangeException"/>.</param>
    public static IReadOnlyList<IDomainChange> Take(string claimant, string kind, Duty duty, DateTimeOffset at) =>
        [new TakeClaims(claimant, kind, [DutyClaim.Identity(duty.Identity)], at), new RaiseFence(duty.Identity, FenceOf(duty)), new ReleaseClaims(claimant)];

    /// <summary>The fence that <see cref="Take"/> draws.</summary>
    public static long FenceOf(Duty duty) => duty.Fence + 1;
}
