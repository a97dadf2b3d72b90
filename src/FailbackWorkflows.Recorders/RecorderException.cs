namespace FailbackWorkflows.Recorders;

/// <summary>Why a recorder did not do what it was asked. The one place where HTTP answers become meaning.</summary>
public enum RecorderErrorKind
{
    /// <summary>No answer: connection refused or broken, name not found, timeout. The outcome of a mutating call is unknown.</summary>
    Unreachable,

    /// <summary>The credential was refused (401, 403). Repeating it does not help and may lock the account.</summary>
    Unauthorized,

    /// <summary>The recorder does not know the thing asked for (404).</summary>
    NotFound,

    /// <summary>The state of the recorder forbids it (409), e.g. the same epoch with another content.</summary>
    Conflict,

    /// <summary>The epoch or the fence of the call is lower than one the recorder has seen (412): somebody newer is in charge.</summary>
    StaleAuthority,

    /// <summary>The content was refused (400, 422), e.g. settings that do not validate or a digest that differs.</summary>
    Rejected,

    /// <summary>No room or no writable storage (507).</summary>
    StorageFull,

    /// <summary>The recorder is busy or starting (429, 503). Try again later.</summary>
    Busy,

    /// <summary>The recorder failed (other 5xx), or its answer was not understood.</summary>
    ServerError,
}

/// <summary>A recorder answered badly or not at all. The HTTP status stays inside this project; callers decide by <see cref="Kind"/>.</summary>
public sealed class RecorderException : Exception
{
    public RecorderException(RecorderErrorKind kind, string message, string? problemType = null, Exception? innerException = null)
        : base(message, innerException)
    {
        Kind = kind;
        ProblemType = problemType;
    }

    public RecorderErrorKind Kind { get; }

    /// <summary>The <c>type</c> of the problem answer, when there was one.</summary>
    public string? ProblemType { get; }

    /// <summary>True when the same call, with the same idempotency key, may succeed later without anybody changing anything.</summary>
    public bool IsTransient => Kind is RecorderErrorKind.Unreachable or RecorderErrorKind.Busy or RecorderErrorKind.ServerError;
}
