using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Duties;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Queue;

/// <summary>What may be done with a task, by the state it is in.</summary>
internal static class CopyRules
{
    public const int LongestReason = 2000;

    private const int MostChannels = 10_000;

    /// <summary>Adds a task to the queue, or finds it there. True when it is new.</summary>
    public static (CopyTaskRow Task, bool IsNew) Start(Sql sql, StartDataCopy definition, DateTimeOffset now)
    {
        if (CopyTaskStore.Find(sql, definition.TaskId) is { } known)
        {
            return IsSame(known.Definition, definition)
                ? (known, false)
                : throw new Refusal(StatusCodes.Status409Conflict, RecorderProblems.CopyTaskConflict, $"Copy task '{definition.TaskId}' exists with another definition. Read the task; give another copy an id of its own.");
        }

        var task = new CopyTaskRow(
            definition.TaskId, CopyTaskStore.NextOrder(sql), definition, CopyTaskState.Queued, null, null, null, null, null, 0, definition.Limits, null, 0, null, null,
            new CopyCounters(0, 0, 0, 0, null, 0), false, now, null, null, null, 1);
        CopyTaskStore.Insert(sql, task);
        return (task, true);
    }

    public static CopyTaskRow Order(Sql sql, CopyTaskRow task, CopyOrder order, DateTimeOffset now)
    {
        var isOperators = task is { State: CopyTaskState.Paused, PauseReason: CopyPauseReason.Operator };
        return (order, task.State) switch
        {
            (CopyOrder.Pause, _) when isOperators => task,
            (CopyOrder.Pause, _) when !task.HasEnded => CopyTaskStore.Save(sql, task with { State = CopyTaskState.Paused, PauseReason = CopyPauseReason.Operator, Phase = null, RetryAt = null }),
            (CopyOrder.Resume, _) when isOperators => CopyTaskStore.Save(sql, Queued(task)),
            (CopyOrder.Resume, _) when !task.HasEnded => task,
            (CopyOrder.Cancel, CopyTaskState.Cancelled) => task,
            (CopyOrder.Cancel, _) when !task.HasEnded => Cancel(sql, task, now),
            (CopyOrder.Retry, CopyTaskState.Failed or CopyTaskState.Cancelled or CopyTaskState.CopiedWithLosses) => Retry(sql, task),
            (CopyOrder.Retry, _) when !task.HasEnded => task,
            _ => throw new Refusal(StatusCodes.Status409Conflict, RecorderProblems.CopyTaskState, $"Copy task '{task.TaskId}' is {Name(task.State)}; the order '{Name(order)}' does not fit that. Read the task."),
        };
    }

    /// <summary>The manager's cancel and acceptance win over whatever the task is doing; all else is the recorder's to say.</summary>
    public static void Merge(Sql sql, KnownCopyTask known, CopyTaskRow task, DateTimeOffset now)
    {
        if (known.LossesAccepted && !task.LossesAccepted)
        {
            task = CopyTaskStore.Save(sql, task with { LossesAccepted = true });
        }

        if ((known.State == CopyTaskState.Cancelled || known.LossesAccepted) && !task.HasEnded)
        {
            Cancel(sql, task, now);
        }
    }

    public static CopyTaskRow SetSource(Sql sql, CopyTaskRow task, Uri url, byte[] token) => CopyTaskStore.Save(sql, (task switch
    {
        // It waited for exactly this.
        { State: CopyTaskState.WaitingForSource or CopyTaskState.Paused, PauseReason: null or CopyPauseReason.Source } => Queued(task),
        _ => task,
    }) with { SourceUrl = url.AbsoluteUri, SourceToken = token, SourceRevision = task.SourceRevision + 1 });

    public static void Check(StartDataCopy body)
    {
        RequestReader.CheckName(body.TaskId, "task id");
        RequestReader.CheckName(body.EntryId, "entry id");
        RequestReader.CheckName(body.Identity, "identity");
        RequestReader.CheckName(body.SourceRecorderId, "source recorder id");
        RequestReader.CheckText(body.Reason, "reason", LongestReason);
        if (body.Period.ChannelId is not null || body.Channels.Count > MostChannels || body.Channels.Select(c => c.ChannelId).Distinct().Count() != body.Channels.Count)
        {
            throw Refusal.Malformed($"The period names no channel; each of up to {MostChannels} channels is named once.");
        }

        foreach (var period in body.Channels.Append(body.Period))
        {
            if (period.ChannelId is not null)
            {
                RequestReader.CheckName(period.ChannelId, "channel id");
            }

            if (period.ToUtc <= period.FromUtc)
            {
                throw Refusal.Malformed("A period's end must lie after its start.");
            }
        }

        Check(body.Limits);
    }

    public static void Check(CopyLimits limits)
    {
        if (limits.MaxBytesPerSecond < 65_536)
        {
            throw Refusal.Malformed("maxBytesPerSecond must be at least 65536, or null for no limit. Pause the task to stop it.");
        }

        if (limits.WindowFrom is null != limits.WindowTo is null || (limits.WindowFrom is { } from && from == limits.WindowTo))
        {
            throw Refusal.Malformed("A daily window needs windowFrom and windowTo, and the two must differ.");
        }
    }

    public static void Check(UpdateClientInfo source)
    {
        if (!source.Url.IsAbsoluteUri || source.Url.Scheme is not ("http" or "https") || source.Url.UserInfo.Length > 0 || source.Url.Query.Length > 0 || source.Url.Fragment.Length > 0)
        {
            throw Refusal.Malformed("The source's url must be an absolute http or https address without user, query or fragment.");
        }

        if (source.Url.Scheme == "http" && !source.Url.IsLoopback)
        {
            throw new Refusal(StatusCodes.Status400BadRequest, RecorderProblems.PlainHttp, "The source's address is plain HTTP, which would carry the credential unprotected. Use https; http is accepted on loopback only.");
        }

        if (source.Token.Length is < 8 or > 4096 || source.Token.Any(c => c is <= ' ' or > '~'))
        {
            throw Refusal.Malformed("The token must have 8 to 4096 visible ASCII characters.");
        }
    }

    public static bool IsWithin(CopyLimits limits, DateTimeOffset now)
    {
        if (limits is not { WindowFrom: { } from, WindowTo: { } to })
        {
            return true;
        }

        return TimeOnly.FromTimeSpan(now.UtcDateTime.TimeOfDay).IsBetween(from, to);
    }

    /// <summary>This recorder holds the current duty, confirmed.</summary>
    public static bool HasAuthority(Sql sql, string identity) =>
        DutyStore.Find(sql, identity) is { EffectiveRole: Recorders.Duties.DutyRole.Recorder, AllocationId: not null };

    private static CopyTaskRow Cancel(Sql sql, CopyTaskRow task, DateTimeOffset now) =>
        CopyTaskStore.Save(sql, task with { State = CopyTaskState.Cancelled, PauseReason = null, Phase = null, RetryAt = null, EndedAt = now });

    private static CopyTaskRow Retry(Sql sql, CopyTaskRow task)
    {
        if (task.State == CopyTaskState.CopiedWithLosses)
        {
            // What was given up is to be tried again, wherever it lies.
            CopyTaskStore.ForgetPositions(sql, task.TaskId);
        }

        // Whoever orders it again has done something about it: no channel is given up at its first trouble.
        CopyTaskStore.ForgetAttempts(sql, task.TaskId);
        return CopyTaskStore.Save(sql, Queued(task) with { QueueOrder = CopyTaskStore.NextOrder(sql), EndedAt = null, Attempts = 0 });
    }

    private static CopyTaskRow Queued(CopyTaskRow task) => task with { State = CopyTaskState.Queued, PauseReason = null, Phase = null, RetryAt = null, LastError = null };

    // Limits may be changed later, and a reason may be worded anew.
    private static bool IsSame(StartDataCopy one, StartDataCopy other) =>
        (one.EntryId, one.Identity, one.SourceRecorderId, one.Period, one.WithDisputed) == (other.EntryId, other.Identity, other.SourceRecorderId, other.Period, other.WithDisputed)
        && one.Channels.OrderBy(c => c.ChannelId, StringComparer.Ordinal).SequenceEqual(other.Channels.OrderBy(c => c.ChannelId, StringComparer.Ordinal));

    private static string Name<T>(T value)
        where T : struct, Enum => System.Text.Json.JsonNamingPolicy.CamelCase.ConvertName(value.ToString());
}
