using FailbackWorkflows.Recorders;

namespace FailbackWorkflows.ReferenceRecorder.Commands;

/// <summary>The recorder does not do what it was asked; becomes a problem answer.</summary>
public sealed class Refusal(int status, string type, string sentence) : Exception(sentence)
{
    public int Status { get; } = status;

    public string Type { get; } = type;

    /// <summary>Where to begin again, for a listing that cannot go on.</summary>
    public DateTimeOffset? From { get; init; }

    /// <summary>Why a piece of material is gone: <c>retention</c>, <c>pressure</c> or <c>lost</c>.</summary>
    public string? Reason { get; init; }

    /// <summary>True when the same command under the same key can never succeed, so that the answer is remembered with the key.</summary>
    public bool IsDefinitive => Status is >= 400 and < 500 and not (StatusCodes.Status412PreconditionFailed or StatusCodes.Status429TooManyRequests);

    public static Refusal Malformed(string sentence) => new(StatusCodes.Status400BadRequest, RecorderProblems.MalformedRequest, sentence);

    public static Refusal UnknownIdentity(string identity) => new(
        StatusCodes.Status404NotFound,
        RecorderProblems.UnknownIdentity,
        $"This recorder has no duty for the recorded identity '{identity}'. Check the identity, or give it the duty first.");

    public static Refusal Unknown(string sentence) => new(StatusCodes.Status404NotFound, RecorderProblems.UnknownResource, sentence);

    public static Refusal Forbidden(string sentence) => new(StatusCodes.Status403Forbidden, RecorderProblems.Forbidden, sentence);

    public static Refusal StorageFull(string sentence) => new(StatusCodes.Status507InsufficientStorage, RecorderProblems.StorageFull, sentence);
}
