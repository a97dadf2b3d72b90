using System.Net;
using System.Net.Sockets;

namespace FailbackWorkflows.Demo;

/// <summary>
/// One round: recorder-1 fails, recorder-2 takes its duty over, recorder-1 returns, the duty comes home. Each chapter is written down
/// before it begins and can be gone through again, so that a demo that was killed goes on where it was.
/// </summary>
internal sealed class Story(Processes processes, DemoFolder folder, DemoLicense license, Terminal terminal, bool isAutomatic, TimeProvider time)
{
    private const int MostAttempts = 10;

    /// <summary>A few seconds' worth: without a limit the copy is over before anybody can see it move.</summary>
    private const long CopyBytesPerSecond = 70_000;
    private const string FailoverGroup = "demo";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan PatienceForPostconditions = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan BeforeNextAttempt = TimeSpan.FromSeconds(1);

    private DemoState _state = folder.Load() ?? throw new InvalidOperationException("The folder has no state yet.");

    public int Round => _state.Round;

    public ReportedRun? Failover { get; private set; }

    public ReportedRun? Failback { get; private set; }

    public ReportedCopy? Copy { get; private set; }

    public IReadOnlyList<Stage> Stages { get; private set; } = [];

    public IReadOnlyList<Postcondition> Postconditions { get; private set; } = [];

    /// <exception cref="StoryBrokenException">It cannot be brought to its end.</exception>
    public async Task<bool> TellAsync(CancellationToken cancellationToken)
    {
        if (_state.Chapter == Chapter.Done)
        {
            Remember(_state with { Round = _state.Round + 1, Chapter = Chapter.Recording, FailoverAttempt = 1, FailbackAttempt = 1, CopyAttempt = 1, FailedAt = null, ReturnedAt = null, EntryId = null, FailoverRunId = null, FailbackRunId = null, SettingsSha256 = null, WasInterrupted = false });
        }

        else if (_state.Chapter != Chapter.Recording)
        {
            // The demo before this one did not come to its end, and its programs died with it.
            Remember(_state with { WasInterrupted = true });
        }

        await BeginAsync(cancellationToken);
        if (_state.Chapter == Chapter.Recording)
        {
            await FailAsync(cancellationToken);
        }

        await using var client = new ChangeListener(processes.Management, _state.FeedCursor, time);
        if (_state.Chapter == Chapter.Failed)
        {
            await FailOverAsync(cancellationToken);
        }

        if (_state.Chapter == Chapter.Returning)
        {
            await ReturnAsync(cancellationToken);
        }

        if (_state.Chapter == Chapter.FailingBack)
        {
            await FailBackAsync(cancellationToken);
        }

        if (_state.Chapter == Chapter.Copying)
        {
            await CopyAsync(cancellationToken);
        }

        return await VerifyAsync(client, cancellationToken);
    }

    private async Task BeginAsync(CancellationToken cancellationToken)
    {
        terminal.Title(_state.Chapter == Chapter.Recording ? $"Round {_state.Round}: everything records" : $"Round {_state.Round} goes on where it was ({_state.Chapter})");
        await Task.WhenAll(
            processes.StartAsync(Processes.ManagementServer, cancellationToken),
            StartRecordersAsync(cancellationToken));
        await AddServersAsync(cancellationToken);
        if (_state is { Round: 1, Chapter: Chapter.Recording })
        {
            var (document, signature) = license.Issue(time.GetUtcNow());
            await InsistAsync(() => processes.Management.InstallLicenseAsync(document, signature, cancellationToken), cancellationToken);
            await InsistAsync(() => processes.Management.LimitCopiesAsync(CopyBytesPerSecond, cancellationToken), cancellationToken);
            terminal.Quiet("licence installed; the demo signs its own with a key pair kept in its data folder");
        }
    }

    private async Task StartRecordersAsync(CancellationToken cancellationToken)
    {
        foreach (var name in Processes.RecorderNames)
        {
            // A recorder whose failure has been told stays dead until the story brings it back.
            if (name != Processes.Failed || _state.Chapter is not (Chapter.Failed or Chapter.Returning))
            {
                await processes.StartAsync(name, cancellationToken);
            }
        }
    }

    private async Task AddServersAsync(CancellationToken cancellationToken)
    {
        var known = await InsistAsync(() => processes.Management.ListServersAsync(cancellationToken), cancellationToken);
        foreach (var name in Processes.RecorderNames)
        {
            if (known.All(s => s.Id != name))
            {
                var server = new NewServer(name, $"Recorder {name[^1]}", processes.AddressOf(name).ToString(), processes.TokenOf(name), FailoverGroup, true, false);
                await InsistAsync(
                    async () =>
                    {
                        try
                        {
                            await processes.Management.AddServerAsync(server, cancellationToken);
                        }
                        catch (AnswerException answer) when (answer.Type == "urn:failback:server-exists")
                        {
                            // The answer to an earlier try was lost; the server is there.
                        }
                    },
                    cancellationToken);
            }
        }

        foreach (var name in Processes.RecorderNames)
        {
            await InsistAsync(() => processes.Management.SetAutomaticAsync(name, FailoverGroup, isAutomatic && name == Processes.Failed, cancellationToken), cancellationToken);
        }

        terminal.Line($"management server  {processes.AddressOf(Processes.ManagementServer)}");
        foreach (var name in Processes.RecorderNames)
        {
            terminal.Line($"{name}         {processes.AddressOf(name)}{(processes.ProcessIdOf(name) is { } id ? $"  process {id}" : "  down")}");
        }
    }

    private async Task FailAsync(CancellationToken cancellationToken)
    {
        await UntilAsync(
            "recorder-1 records its duty",
            async () => await processes.Recorders[Processes.Failed].FindDutyAsync(Processes.Failed, cancellationToken) is { Role: "recorder", Recording: true, Disputed: false }
                && (await processes.Management.ListServersAsync(cancellationToken)).Any(s => s is { Id: Processes.Failed, State: "ok" }),
            cancellationToken);
        var cursor = await InsistAsync(() => processes.Management.GetCursorAsync(cancellationToken), cancellationToken);
        Remember(_state with { Chapter = Chapter.Failed, FeedCursor = cursor, FailedAt = time.GetUtcNow() });
        terminal.Title("recorder-1 fails");
        await processes.KillAsync(Processes.Failed);
        terminal.Line("killed (SIGKILL) in the middle of recording");
    }

    private async Task FailOverAsync(CancellationToken cancellationToken)
    {
        terminal.Title(isAutomatic ? "Failover by itself: recorder-2 takes the duty over" : "Failover: recorder-2 takes the duty over");
        var (run, entryId) = isAutomatic
            ? await WaitForFailoverAsync(cancellationToken)
            : await RunToEndAsync(
                "failover",
                attempt => processes.Management.StartFailoverAsync(Processes.Failed, Processes.Failover, $"demo-{_state.Round}-failover-{attempt}", "The demo killed recorder-1", cancellationToken),
                () => _state.FailoverAttempt,
                attempt => Remember(_state with { FailoverAttempt = attempt }),
                cancellationToken);
        Failover = ReportedRun.From(run, entryId, _state.FailoverAttempt);

        // Somebody works on at the failover server: what is changed there must come home with the duty.
        var settings = await InsistAsync(
            async () =>
            {
                var failover = processes.Recorders[Processes.Failover];
                var now = await failover.FindSettingsAsync(Processes.Failed, cancellationToken)
                    ?? throw new StoryBrokenException("recorder-2 has no settings of recorder-1 after the failover.");
                await failover.PutSettingsAsync(Processes.Failed, DemoMask.AddTo(now.Content, _state.Round), cancellationToken);
                return await failover.FindSettingsAsync(Processes.Failed, cancellationToken) ?? now;
            },
            cancellationToken);
        terminal.Line($"{Processes.Failover} records as {Processes.Failed}; meanwhile a privacy mask is added there (settings revision {settings.Revision})");
        await RecordEveryKindAsync(entryId!, cancellationToken);
        Remember(_state with { Chapter = Chapter.Returning, EntryId = entryId, FailoverRunId = run.RunId, SettingsSha256 = settings.Sha256, SettingsRevision = settings.Revision });
    }

    /// <summary>The failover lasts until there is something of every kind to bring home; how soon that is, the cameras decide.</summary>
    private async Task RecordEveryKindAsync(string entryId, CancellationToken cancellationToken)
    {
        var entry = await InsistAsync(() => processes.Management.GetEntryAsync(entryId, cancellationToken), cancellationToken);
        await UntilAsync(
            $"recorder-2 has recorded {string.Join(", ", MaterialKinds.All)}",
            async () => (await processes.Recorders[Processes.Failover].ListRecordedKindsAsync(Processes.Failed, entry.FailoverStartedAt, cancellationToken)).IsSupersetOf(MaterialKinds.All),
            cancellationToken);
        terminal.Line($"recorded there by now: {string.Join(", ", MaterialKinds.All)}");
    }

    private async Task ReturnAsync(CancellationToken cancellationToken)
    {
        terminal.Title("recorder-1 returns");
        await processes.StartAsync(Processes.Failed, cancellationToken);
        Remember(_state with { ReturnedAt = time.GetUtcNow() });
        if (isAutomatic)
        {
            // It may be at its failback before anybody could see it stand by.
            terminal.Line("it runs again; nobody tells the management server");
            Remember(_state with { Chapter = Chapter.FailingBack });
            return;
        }

        await UntilAsync(
            "recorder-1 is told to stand by",
            async () => await processes.Recorders[Processes.Failed].FindDutyAsync(Processes.Failed, cancellationToken) is { Role: "standby" or "failoverServer", Recording: false },
            cancellationToken);
        terminal.Line("it waited for its role, was told to stand by, and does not record");
        Remember(_state with { Chapter = Chapter.FailingBack });
    }

    private async Task FailBackAsync(CancellationToken cancellationToken)
    {
        terminal.Title(isAutomatic ? "Failback by itself: the duty comes home" : "Failback: the duty comes home");
        var run = isAutomatic
            ? await WaitForFailbackAsync(cancellationToken)
            : (await RunToEndAsync(
                "failback",
                attempt => processes.Management.StartFailbackAsync(_state.EntryId!, $"demo-{_state.Round}-failback-{attempt}", "The demo brings recorder-1 back", cancellationToken),
                () => _state.FailbackAttempt,
                attempt => Remember(_state with { FailbackAttempt = attempt }),
                cancellationToken)).Run;
        Remember(_state with { Chapter = Chapter.Copying, FailbackRunId = run.RunId });
    }

    /// <summary>Starts nothing: waits for the failover that the management server starts when it misses recorder-1. One that fails is tried again by itself.</summary>
    private async Task<(RunReport Run, string? EntryId)> WaitForFailoverAsync(CancellationToken cancellationToken)
    {
        LogEntry? entry = null;
        await UntilAsync(
            "the management server has recorder-1's duty taken over by itself",
            async () => (entry = await processes.Management.FindNewestEntryAsync(Processes.Failed, cancellationToken)) is { Failover: "done", FailoverRunId: not null } && entry.FailoverStartedAt >= _state.FailedAt,
            cancellationToken);
        var run = await FollowAsync(entry!.FailoverRunId!, isShown: false, cancellationToken);
        terminal.Line($"missed and taken over by {entry.FailoverServerId}: begun {Terminal.Length(entry.FailoverStartedAt - _state.FailedAt)} after the kill, by {run.StartedBy.Name}");
        terminal.Quiet($"failover done in {Terminal.Length(run.FinishedAt - run.StartedAt)}");
        return entry.FailoverServerId == Processes.Failover
            ? (run, entry.Id)
            : throw new StoryBrokenException($"{entry.FailoverServerId} was chosen as failover server, though {Processes.Failover} comes first.");
    }

    /// <summary>Starts nothing: waits for the failback that the management server starts when recorder-1 is back. One that fails is tried again by itself.</summary>
    private async Task<RunReport> WaitForFailbackAsync(CancellationToken cancellationToken)
    {
        LogEntry? entry = null;
        await UntilAsync(
            "the management server fails recorder-1 back by itself",
            async () => (entry = await processes.Management.GetEntryAsync(_state.EntryId!, cancellationToken)) is { Failback: "done" or "running", FailbackRunId: not null },
            cancellationToken);
        var run = await FollowAsync(entry!.FailbackRunId!, isShown: true, cancellationToken);
        while (run.Result != "done")
        {
            terminal.Warn($"failback {run.Result}: {run.Message}");
            if (_state.FailbackAttempt >= MostAttempts)
            {
                throw new StoryBrokenException($"The failback did not end well in {MostAttempts} attempts. {run.Message}");
            }

            Remember(_state with { FailbackAttempt = _state.FailbackAttempt + 1 });
            var before = run.RunId;
            await UntilAsync(
                "the management server tries again by itself",
                async () => (entry = await processes.Management.GetEntryAsync(_state.EntryId!, cancellationToken)).FailbackRunId is { } id && id != before,
                cancellationToken);
            run = await FollowAsync(entry.FailbackRunId!, isShown: true, cancellationToken);
        }

        terminal.Line($"begun {Terminal.Length(run.StartedAt - _state.ReturnedAt)} after it ran again, by {run.StartedBy.Name}");
        return run;
    }

    /// <summary>
    /// The management server starts the copy by itself. One that ends without everything being home (a program was just killed) is started
    /// again: what is there stays, and only what is lacking is fetched.
    /// </summary>
    private async Task CopyAsync(CancellationToken cancellationToken)
    {
        terminal.Title("Material copy: what recorder-2 recorded comes home");
        var since = time.GetTimestamp();
        while (true)
        {
            var copy = await InsistAsync(() => processes.Management.GetCopyAsync(_state.EntryId!, cancellationToken), cancellationToken);
            if (copy.Task is { } task)
            {
                terminal.Progress(task);
            }

            if (copy.State is "copied" or "nothingToCopy")
            {
                terminal.EndProgress();
                Remember(_state with { Chapter = Chapter.Verifying });
                return;
            }

            if (copy.State is "failed" or "cancelled" or "copiedWithLosses")
            {
                terminal.EndProgress();
                terminal.Warn($"material copy {copy.State}: {copy.Message ?? copy.Task?.LastError}");
                if (_state.CopyAttempt >= MostAttempts)
                {
                    throw new StoryBrokenException($"The material copy did not end well in {MostAttempts} attempts. {copy.Message}");
                }

                Remember(_state with { CopyAttempt = _state.CopyAttempt + 1 });
                await PauseAsync(BeforeNextAttempt, cancellationToken);
                try
                {
                    await InsistAsync(() => processes.Management.StartCopyAsync(_state.EntryId!, $"demo-{_state.Round}-copy-{_state.CopyAttempt}", "The demo tries again", cancellationToken), cancellationToken);
                }
                catch (AnswerException answer) when (answer.Status == HttpStatusCode.Conflict)
                {
                    terminal.Warn($"it goes on already ({answer.Message})");
                }
            }

            if (time.GetElapsedTime(since) > Patience)
            {
                throw new StoryBrokenException($"The material copy has not ended after {Patience.TotalSeconds:0} s; it is {copy.State}. {copy.Task?.LastError}");
            }

            await PauseAsync(LookAgain, cancellationToken);
        }
    }

    private async Task<bool> VerifyAsync(ChangeListener client, CancellationToken cancellationToken)
    {
        var run = await InsistAsync(() => processes.Management.GetRunAsync(_state.FailbackRunId!, cancellationToken), cancellationToken);
        Failback = ReportedRun.From(run, _state.EntryId, _state.FailbackAttempt);
        terminal.Result(
            run.Result == "done",
            $"Failback {(run.Result == "done" ? "OK" : run.Result)}   start {run.StartedAt:HH:mm:ss.fff}   end {run.FinishedAt:HH:mm:ss.fff}   duration {Terminal.Length(run.FinishedAt - run.StartedAt)}");

        var copied = await InsistAsync(() => processes.Management.GetCopyAsync(_state.EntryId!, cancellationToken), cancellationToken);
        var coverage = await InsistAsync(() => processes.Management.GetCoverageAsync(_state.EntryId!, cancellationToken), cancellationToken);
        Copy = ReportedCopy.From(copied, coverage, _state.CopyAttempt);
        terminal.Result(
            Copy.Verified,
            $"Material {Copy.State}{(Copy.Verified ? ", verified" : "")}   {Copy.Bytes / 1e6:0.00} MB in {Terminal.Count(Copy.Segments, "segment")} ({Counts(Copy.SegmentsByKind)})   {Counts(Copy.RecordsByKind)}   duration {Terminal.Length(copied.Task?.EndedAt - copied.Task?.CreatedAt)}");

        await TimeStagesAsync(copied, cancellationToken);
        terminal.Title("What must hold now");
        var looking = new Postconditions(processes, _state, client, isAutomatic);
        var since = time.GetTimestamp();
        do
        {
            // A recorder or server that came up again a moment ago may still be about to hear its role.
            Postconditions = await InsistAsync(() => looking.LookAsync(cancellationToken), cancellationToken);
            if (Postconditions.All(p => p.Holds))
            {
                break;
            }

            await PauseAsync(LookAgain, cancellationToken);
        }
        while (time.GetElapsedTime(since) < PatienceForPostconditions);

        foreach (var condition in Postconditions)
        {
            terminal.Check(condition.Holds, condition.Name, condition.Detail);
        }

        var well = Postconditions.All(p => p.Holds);
        if (well)
        {
            Remember(_state with { Chapter = Chapter.Done });
        }

        return well;
    }

    private async Task TimeStagesAsync(MaterialCopy copied, CancellationToken cancellationToken)
    {
        var entry = await InsistAsync(() => processes.Management.GetEntryAsync(_state.EntryId!, cancellationToken), cancellationToken);
        Stages =
        [
            new("killed, until the failover began", _state.FailedAt, entry.FailoverStartedAt),
            new("failover", entry.FailoverStartedAt, entry.FailoverEndedAt),
            new("recorder-2 alone, until recorder-1 ran again", entry.FailoverEndedAt, _state.ReturnedAt),
            new("back, until the failback began", _state.ReturnedAt, entry.FailbackStartedAt),
            new("failback", entry.FailbackStartedAt, entry.FailbackEndedAt),
            new("home, until the material copy began", entry.FailbackEndedAt, copied.Task?.CreatedAt),
            new("material copy", copied.Task?.CreatedAt, copied.Task?.EndedAt),
        ];
        terminal.Title("How long it took");
        foreach (var stage in Stages)
        {
            terminal.Line($"{stage.StartedAt:HH:mm:ss.fff}  {Terminal.Length(stage.EndedAt - stage.StartedAt),10}  {stage.Name}");
        }
    }

    private static string Counts(IReadOnlyDictionary<string, long> byKind) =>
        string.Join(", ", MaterialKinds.All.Where(byKind.ContainsKey).Select(kind => $"{byKind[kind]} {kind}"));

    /// <summary>
    /// Starts a run and follows it to its end. A run that ends otherwise than done is tried again under a new request id: what stood in its
    /// way (a program that was just killed) may be gone. The request id of an attempt never changes, so a demo that was killed finds the run it had started.
    /// </summary>
    private async Task<(RunReport Run, string? EntryId)> RunToEndAsync(
        string kind,
        Func<int, Task<StartedRun>> start,
        Func<int> attempt,
        Action<int> remember,
        CancellationToken cancellationToken)
    {
        while (true)
        {
            StartedRun started;
            try
            {
                started = await InsistAsync(() => start(attempt()), cancellationToken);
            }
            catch (AnswerException answer) when (answer is { Status: HttpStatusCode.Conflict, RunId: not null })
            {
                terminal.Warn($"another run is in the way; waiting for it ({answer.RunId})");
                await FollowAsync(answer.RunId, isShown: false, cancellationToken);
                continue;
            }

            var run = await FollowAsync(started.RunId, isShown: kind == "failback", cancellationToken);
            if (run.Result == "done")
            {
                terminal.Quiet($"{kind} done in {Terminal.Length(run.FinishedAt - run.StartedAt)}");
                return (run, started.EntryId);
            }

            terminal.Warn($"{kind} {run.Result}{(run.RefusedCheck is { } check ? $" by check {check}" : "")}: {run.Message}");
            if (attempt() >= MostAttempts)
            {
                throw new StoryBrokenException($"The {kind} did not end well in {MostAttempts} attempts. {run.Message}");
            }

            if (run.CanRedrive)
            {
                await InsistAsync(() => processes.Management.RedriveAsync(run.RunId, "The demo tries again", cancellationToken), cancellationToken);
                await FollowAsync(run.RunId, isShown: false, cancellationToken);
            }
            else
            {
                remember(attempt() + 1);
            }

            await PauseAsync(BeforeNextAttempt, cancellationToken);
        }
    }

    private async Task<RunReport> FollowAsync(string runId, bool isShown, CancellationToken cancellationToken)
    {
        var shown = new HashSet<(int Number, int Times)>();
        var since = time.GetTimestamp();
        while (true)
        {
            var run = await InsistAsync(() => processes.Management.GetRunAsync(runId, cancellationToken), cancellationToken);
            foreach (var step in run.Steps.Where(s => isShown && s is { Number: not null, EndedAt: not null }).OrderBy(s => s.Number))
            {
                if (shown.Add((step.Number!.Value, step.Times)))
                {
                    terminal.Step(step);
                }
            }

            if (run.Result != "running")
            {
                return run;
            }

            if (time.GetElapsedTime(since) > Patience)
            {
                throw new StoryBrokenException($"The run {runId} has not ended after {Patience.TotalSeconds:0} s.");
            }

            await PauseAsync(LookAgain, cancellationToken);
        }
    }

    private async Task UntilAsync(string what, Func<Task<bool>> holds, CancellationToken cancellationToken)
    {
        var since = time.GetTimestamp();
        while (!await InsistAsync(holds, cancellationToken))
        {
            if (time.GetElapsedTime(since) > Patience)
            {
                throw new StoryBrokenException($"Waited {Patience.TotalSeconds:0} s in vain: {what}.");
            }

            await PauseAsync(LookAgain, cancellationToken);
        }
    }

    private Task InsistAsync(Func<Task> ask, CancellationToken cancellationToken) => InsistAsync(
        async () =>
        {
            await ask();
            return true;
        },
        cancellationToken);

    /// <summary>Asks until there is an answer; whatever died meanwhile is started again. Everything asked here may be asked twice.</summary>
    private async Task<T> InsistAsync<T>(Func<Task<T>> ask, CancellationToken cancellationToken)
    {
        var since = time.GetTimestamp();
        while (true)
        {
            try
            {
                return await ask();
            }
            catch (Exception error) when (IsTransient(error) && !cancellationToken.IsCancellationRequested)
            {
                if (time.GetElapsedTime(since) > Patience)
                {
                    throw new StoryBrokenException($"No answer for {Patience.TotalSeconds:0} s: {error.Message}", error);
                }
            }

            await PauseAsync(LookAgain, cancellationToken);
        }
    }

    private static bool IsTransient(Exception error) =>
        error is HttpRequestException or IOException or SocketException or TaskCanceledException or AnswerException { IsTransient: true } or AnswerException { Type: "urn:failback:server-not-added" };

    private async Task PauseAsync(TimeSpan length, CancellationToken cancellationToken)
    {
        await Task.Delay(length, time, cancellationToken);
        await processes.KeepRunningAsync(cancellationToken);
    }

    private void Remember(DemoState state)
    {
        folder.Save(state);
        _state = state;
    }
}

/// <summary>The story cannot be brought to its end.</summary>
internal sealed class StoryBrokenException(string sentence, Exception? inner = null) : Exception(sentence, inner);
