using System.Diagnostics;
using System.Text.Json.Nodes;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Testing.Faults;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;
using Xunit.Abstractions;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// Scenario 32: source, target and manager are killed at random points of a copy and started again. The point is an answer on the link between
/// the recorders: it is held in its middle while somebody dies. How often is <c>FAILBACK_COPY_KILLS</c> (default 3); the seed is printed and
/// can be given as <c>FAILBACK_SOAK_SEED</c>. The target is stopped (SIGSTOP) a moment before its SIGKILL, which finds it as it was stopped: so
/// it can be told exactly what it had received and what lay in the kernel still.
/// </summary>
public sealed class S32_When_anybody_is_killed_during_a_copy(ITestOutputHelper output)
{
    private const int Tracks = 8;
    private const int SegmentBytes = 24_000;

    /// <summary>Segments in flight at a time, as the source allows and the copier uses.</summary>
    private const int InFlight = 8;

    private static readonly int Kills = int.TryParse(Environment.GetEnvironmentVariable("FAILBACK_COPY_KILLS"), out var kills) ? kills : 3;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private static readonly IReadOnlyList<string> Channels = [.. Enumerable.Range(1, Tracks).Select(n => $"fed-{n}")];

    private static readonly IReadOnlyList<(string Kind, int Channels, int Count)> Records = [("alarms", 2, 200), ("anpr", 4, 2_000), ("text", 4, 3_000)];

    private enum Victim
    {
        Source,
        Target,
        Manager,
    }

    [Fact]
    public async Task The_copy_is_whole_and_nothing_comes_twice()
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("FAILBACK_SOAK_SEED"), out var given) ? given : Random.Shared.Next();
        output.WriteLine($"seed {seed}, {Kills} kills");
        var random = new Random(seed);
        var segmentsPerTrack = Math.Max(20, Kills * 3);

        await using var site = await Site.StartAsync(isRegistered: false);
        await using var link = await MaterialLink.StartAsync(site.Standby.BaseUrl);
        await site.RegisterAsync(site.Main);
        await site.RegisterAsync(site.Standby, link.BaseUrl);
        var entryId = await site.FailOverAsync();
        await site.Standby.ChangeSettingsAsync(Site.MainId, AddFedChannels);
        await site.ReturnMainAsync();
        var (from, to) = await FeedAsync(site, entryId, segmentsPerTrack);

        // What is generated and recorded besides is copied as well; points are drawn over what was fed.
        var points = new Queue<int>(Enumerable.Range(0, Kills).Select(_ => random.Next(1, Tracks * segmentsPerTrack)).Order());
        var trap = new Trap();
        link.Middle = trap.PassAsync;
        trap.Set(points.Dequeue(), 0);
        var run = await site.FailBackAsync(entryId);
        run.Result.ShouldBe("done", run.Message);
        var (held, before) = (await CopyInvariants.ListAsync(site.Standby, Site.MainId), await CopyInvariants.ListAsync(site.Main, Site.MainId));

        var victims = new List<Victim>();
        var began = Stopwatch.GetTimestamp();
        for (var kill = 1; kill <= Kills; kill++)
        {
            await CaughtAsync(site, entryId, trap, kill);
            var victim = (Victim)random.Next(3);
            victims.Add(victim);
            var (caught, told) = (trap.Caught, Told(link));
            if (victim == Victim.Target && random.Next(2) == 0)
            {
                await IsWrittenAsync(site, trap);
            }

            trap.LetOthersGo();
            await KillAndStartAsync(site, link, trap, victim, () =>
            {
                if (points.TryDequeue(out var next))
                {
                    // Mostly while segments come; now and then some answers later, which also meets listing, records and verification.
                    trap.Set(next, random.Next(4) == 0 ? random.Next(1, 20) : 0);
                }
            });
            output.WriteLine($"kill {kill} at {caught}: {victim}; until then {told}");
        }

        var entry = await Eventually.GetAsync("the material is home", () => site.Server.GetEntryAsync(entryId), e => HasEnded(e.MaterialCopy), Patience);
        var ofTarget = victims.Count(v => v == Victim.Target);
        output.WriteLine(FormattableString.Invariant($"copied after {Stopwatch.GetElapsedTime(began).TotalSeconds:0.0} s, {ofTarget} kills of the target; {Told(link)}"));
        var task = await ReadTaskAsync(site, entryId);
        entry.MaterialCopy.ShouldBe(MaterialCopyState.Copied, task["lastError"]?.ToString());

        await ManifestsAreEqualAsync(site, from, to, segmentsPerTrack);
        await EverythingIsThereOnceAsync(site, from, to);
        await CopyInvariants.AssertAsync(site, entryId, site.Standby, site.Main, held, before);

        // docs/adr/0005: what the target had received it keeps, but for one read of each segment in flight; the kill of anybody else costs nothing.
        link.WholeAgain.ShouldBe(0, "a segment that had been received was fetched again");
        link.PartlyAgain.ShouldBeLessThanOrEqualTo(InFlight * ofTarget);
    }

    private static string Told(MaterialLink link) =>
        $"{link.SegmentBytes} bytes of segments; received and sent again {link.WholeAgain} whole and {link.PartlyAgain} partly, {link.BytesAgain} bytes; {link.BytesUnread} bytes lay in the kernel at kills";

    private static async Task CaughtAsync(Site site, string entryId, Trap trap, int kill)
    {
        if (await Task.WhenAny(trap.IsShut, Task.Delay(Patience, TimeProvider.System)) != trap.IsShut)
        {
            throw new TimeoutException($"Nothing passed any more before kill {kill}: {await ReadTaskAsync(site, entryId)}");
        }
    }

    /// <summary>The half of a segment that has passed gets to its file though the other half is held. At other kills that is left to chance.</summary>
    private static async Task IsWrittenAsync(Site site, Trap trap)
    {
        if (trap.Held is { SegmentId: { } id } held && id.StartsWith("fed-", StringComparison.Ordinal))
        {
            var half = held.Offset + ((SegmentBytes - held.Offset) / 2);
            await Eventually.HoldsAsync($"{half} bytes of {id} lie in its file", () => Task.FromResult(MaterialManifest.BeginningOf(site.Main, id) == half));
        }
    }

    private static async Task KillAndStartAsync(Site site, MaterialLink link, Trap trap, Victim victim, Action next)
    {
        switch (victim)
        {
            case Victim.Source:
                await site.Standby.KillAsync();
                await link.DownAsync();
                trap.Open();
                await NothingIsUnderWayAsync(link);
                next();
                await site.Standby.StartAsync();
                await link.UpAsync();
                break;
            case Victim.Target:
                await site.Main.StopAsync();
                await link.MeasureUnreadAsync();
                await site.Main.KillAsync();
                trap.Open();
                await NothingIsUnderWayAsync(link);
                MaterialManifest.TornFiles(site.Main).ShouldBeEmpty("what has its final name is whole");
                next();
                await site.Main.StartAsync();
                break;
            default:
                // The copy goes on without it, up to the next point.
                await site.Server.KillAsync();
                trap.Open();
                next();
                await site.Server.StartAsync();
                break;
        }
    }

    private static Task NothingIsUnderWayAsync(MaterialLink link) => Eventually.HoldsAsync("what was on the link is gone", () => Task.FromResult(link.Open == 0));

    private static async Task ManifestsAreEqualAsync(Site site, DateTimeOffset from, DateTimeOffset to, int segmentsPerTrack)
    {
        var records = Records.SelectMany(r => Channels.Take(r.Channels).Select(c => (r.Kind, c))).ToList();
        var there = await MaterialManifest.ReadAsync(site.Standby, Site.MainId, Channels, records, from, to);
        var here = await MaterialManifest.ReadAsync(site.Main, Site.MainId, Channels, records, from, to);
        here.ShouldBe(there);
        there.Take(Tracks).ShouldAllBe(l => l.Contains($" {segmentsPerTrack} segments, {segmentsPerTrack * SegmentBytes} bytes"));
    }

    private static async Task EverythingIsThereOnceAsync(Site site, DateTimeOffset from, DateTimeOffset to)
    {
        foreach (var (kind, _, count) in Records)
        {
            var fed = (await MaterialManifest.ListRecordIdsAsync(site.Main, Site.MainId, kind, from, to)).Where(id => id.StartsWith("fed-", StringComparison.Ordinal)).ToList();
            (kind, fed.Count, fed.Distinct().Count()).ShouldBe((kind, count, count));
        }

        var listed = new List<string>();
        var tracks = (await site.Main.SendAsync(HttpMethod.Get, $"v1/tracks?identity={Site.MainId}")).As<JsonObject>()["items"]!.AsArray();
        foreach (var channel in tracks.Select(t => t!).Where(t => (string)t["kind"]! is "audio" or "video").Select(t => (string)t["channelId"]!))
        {
            var segments = await MaterialManifest.ListSegmentsAsync(site.Main, Site.MainId, channel, from - TimeSpan.FromDays(1), to + TimeSpan.FromDays(1));
            segments.Select(s => s.Id).ShouldBeUnique();
            var ownId = (await site.Main.GetStatusAsync()).Id;
            listed.AddRange(segments.Where(s => s.Origin.RecorderId != ownId).Select(s => s.Sha256!));
        }

        MaterialManifest.TornFiles(site.Main).ShouldBeEmpty();
        MaterialManifest.CopiedFiles(site.Main).ShouldBe(listed.Order(StringComparer.Ordinal), ignoreOrder: false, "every file has its row, and every row its file");
        await Eventually.HoldsAsync("no beginning is left", () => Task.FromResult(MaterialManifest.Beginnings(site.Main).Count == 0));
    }

    private static void AddFedChannels(JsonObject content)
    {
        var channels = content["channels"]!.AsArray();
        foreach (var id in Channels)
        {
            // Not enabled: nothing is recorded on them, so all they have is what the test fed.
            channels.Add(new JsonObject { ["id"] = id, ["slot"] = channels.Count + 1, ["kind"] = "video", ["name"] = id, ["sourceId"] = $"urn:{id}", ["enabled"] = false, ["required"] = false });
        }
    }

    /// <summary>Fills the time since the failover began.</summary>
    private static async Task<(DateTimeOffset From, DateTimeOffset To)> FeedAsync(Site site, string entryId, int segmentsPerTrack)
    {
        var from = (await site.Server.GetEntryAsync(entryId)).FailoverStartedAt;
        var length = TimeSpan.FromMilliseconds(Math.Floor(((await site.Standby.GetStatusAsync()).TimeUtc - from).TotalMilliseconds / segmentsPerTrack));

        // The period of a channel ends with its last segment.
        var to = from + (length * segmentsPerTrack);
        using var supply = new MaterialSupply(site.Standby, Site.MainId);
        await supply.PutSegmentsAsync(Channels, segmentsPerTrack, SegmentBytes, from, length);
        foreach (var (kind, channels, count) in Records)
        {
            await supply.PutRecordsAsync(kind, [.. Channels.Take(channels)], count, from, to - from);
        }

        return (from, to);
    }

    private static async Task<JsonNode> ReadTaskAsync(Site site, string entryId) =>
        (await site.Server.GetAsync($"api/v1/failover-log/{entryId}/material-copy")).Json!["task"] ?? new JsonObject();

    private static bool HasEnded(MaterialCopyState state) =>
        state is MaterialCopyState.Copied or MaterialCopyState.CopiedWithLosses or MaterialCopyState.NothingToCopy or MaterialCopyState.Failed or MaterialCopyState.Cancelled;

    /// <summary>
    /// Lets answers pass until so many different segments were seen and some answers more; the next one is held until somebody is dead. The
    /// others that get to their middle wait as well until that is about to happen, or the copy would be over while a manager starts.
    /// </summary>
    private sealed class Trap
    {
        private readonly Lock _lock = new();
        private readonly HashSet<string> _seen = new(StringComparer.Ordinal);
        private TaskCompletionSource _shut = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private TaskCompletionSource? _open;
        private TaskCompletionSource? _others;
        private int _segments = int.MaxValue;
        private int _more;

        public Task IsShut
        {
            get
            {
                lock (_lock)
                {
                    return _shut.Task;
                }
            }
        }

        public string Caught { get; private set; } = "";

        /// <summary>Whose answer is held, or was last.</summary>
        public MaterialRequest? Held { get; private set; }

        public void Set(int segments, int more)
        {
            lock (_lock)
            {
                _shut = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                (_segments, _more) = (segments, more);
            }
        }

        public void LetOthersGo()
        {
            lock (_lock)
            {
                _others?.TrySetResult();
                _others = null;
            }
        }

        public void Open()
        {
            LetOthersGo();
            lock (_lock)
            {
                _open?.TrySetResult();
                _open = null;
            }
        }

        public async Task<bool> PassAsync(MaterialRequest request)
        {
            Task open;
            lock (_lock)
            {
                open = _others?.Task ?? Task.CompletedTask;
            }

            await open;
            lock (_lock)
            {
                if (request.SegmentId is { } id && id.StartsWith("fed-", StringComparison.Ordinal))
                {
                    _seen.Add(id);
                }

                if (_seen.Count < _segments || _more-- > 0)
                {
                    return false;
                }

                _segments = int.MaxValue;
                Caught = $"{_seen.Count} segments, {request.Path}";
                Held = request;
                _open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                _others = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                open = _open.Task;
                _shut.TrySetResult();
            }

            await open;
            return false;
        }
    }
}
