namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Source;

/// <summary>What went wrong at the source, by what to do about it.</summary>
internal enum SourceFault
{
    /// <summary>No connection: wait for the source, let the next task run.</summary>
    Unreachable,

    /// <summary>The credential is refused: ask nothing more until a new one comes.</summary>
    Unauthorized,

    /// <summary>It asks to wait.</summary>
    Busy,

    /// <summary>The answer was cut off or failed; repeat.</summary>
    Broken,

    /// <summary>Nothing came for too long: let another channel go on first.</summary>
    Stalled,

    /// <summary>The page token is too old; list again from a time.</summary>
    PageExpired,

    /// <summary>It is not there (any more).</summary>
    Gone,

    /// <summary>Still being recorded.</summary>
    Growing,

    /// <summary>The answer is not what the contract allows; never repeated blindly, never trusted.</summary>
    Refused,

    /// <summary>Larger than is accepted.</summary>
    TooLarge,
}

/// <summary>The source did not give what it was asked for; the message is a sentence for the operator and names no credential.</summary>
internal sealed class SourceException(SourceFault fault, string sentence, TimeSpan? retryAfter = null, Exception? inner = null) : Exception(sentence, inner)
{
    public SourceFault Fault { get; } = fault;

    public TimeSpan? RetryAfter { get; } = retryAfter;

    /// <summary>
    /// Nothing of the recorder's own came back: the connection ended before an answer, or something in between answered in its place. Whether
    /// the source is away or this one thing cannot be had is not known yet.
    /// </summary>
    public bool IsUnanswered { get; init; }

    /// <summary>Concerns the source as a whole, not one channel.</summary>
    public bool ConcernsAll => Fault is SourceFault.Unreachable or SourceFault.Unauthorized or SourceFault.Busy;
}
