namespace FailbackWorkflows.Recorders;

/// <summary>A call of a recorder that is over.</summary>
/// <param name="Call">What it was for, in words.</param>
/// <param name="Request">Method and path; null: it was not sent.</param>
/// <param name="RequestSha256">Of the body as it was sent, lower-case hex; null: there was none.</param>
/// <param name="Status">Null: there was no answer.</param>
/// <param name="ResponseSha256">Of the body as it came; null: there was none, or it is a segment's bytes.</param>
/// <param name="Clock">How the recorder's clock stood; null: it gave no answer, or one without its time.</param>
public sealed record ObservedCall(string ServerId, string Call, string? Request, string? RequestSha256, int? Status, string? ResponseSha256, TimeSpan Took, ObservedClock? Clock = null);

/// <summary>A recorder's clock against ours, by one call.</summary>
/// <param name="Offset">Its clock minus ours, in the middle of the call.</param>
/// <param name="Uncertainty">Half of the call: its answer may have begun at any moment of it.</param>
public sealed record ObservedClock(TimeSpan Offset, TimeSpan Uncertainty);

/// <summary>Is told of calls, to write down that they were made.</summary>
public interface IRecorderCallObserver
{
    /// <summary>False: nobody wants to know of the calls that are made from here; nothing is computed for them.</summary>
    bool IsObserving { get; }

    /// <summary>A call is over, whatever came of it. Must not throw.</summary>
    void Observed(ObservedCall call);
}
