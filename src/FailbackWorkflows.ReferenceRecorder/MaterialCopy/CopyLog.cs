namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy;

/// <summary>What the copier writes to the log: what happens to tasks and channels, never each segment, never a credential.</summary>
internal sealed partial class CopyLog(ILogger<CopyLog> logger)
{
    [LoggerMessage(Level = LogLevel.Information, Message = "Copy task {TaskId} runs (attempt {Attempt})")]
    public partial void LogRuns(string taskId, int attempt);

    [LoggerMessage(Level = LogLevel.Information, Message = "Copy task {TaskId} is now {State} {PauseReason}: {Error}")]
    public partial void LogIsNow(string taskId, string state, string pauseReason, string error);

    [LoggerMessage(Level = LogLevel.Error, Message = "Copy task {TaskId} failed at this recorder and is tried again")]
    public partial void LogRunFailed(Exception error, string taskId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Copy task {TaskId} gives up what is missing of {TrackId}: {Error}")]
    public partial void LogGaveUp(string taskId, string trackId, string error);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A segment of {TrackId} was refused: {Error}")]
    public partial void LogRefusedSegment(string trackId, string error);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Segment {SegmentId} is damaged on this recorder's disk or cannot be read; a copy is fetched again if the source has it")]
    public partial void LogDamagedHere(string segmentId);

    [LoggerMessage(Level = LogLevel.Error, Message = "Looking after copy task {TaskId} failed and is tried again in a second")]
    public partial void LogWatchFailed(Exception error, string taskId);

    [LoggerMessage(Level = LogLevel.Error, Message = "The queue of copy tasks failed and goes on in a second")]
    public partial void LogQueueFailed(Exception error);
}
