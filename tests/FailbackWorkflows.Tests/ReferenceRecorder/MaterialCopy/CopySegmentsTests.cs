using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Queue;
using FailbackWorkflows.ReferenceRecorder.Segments;
using FailbackWorkflows.Testing.Processes;
using Microsoft.AspNetCore.Http;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder.MaterialCopy;

/// <summary>Audio and video: by gap, verified, whatever the source and the network do.</summary>
public sealed class CopySegmentsTests
{
    // Scenario 42.
    [Fact]
    public async Task ACopy_BringsWhatIsMissing_AndTheNextOneNothing()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.PageItems = 4;
        host.Source.AddTrack("video-1", 30, bytes: 300_000);
        host.Source.AddTrack("audio-1", 30);
        await host.StartCopyAsync();

        var task = await host.EndAsync();
        task.State.ShouldBe(CopyTaskState.Copied, task.LastError);
        task.SegmentsDone.ShouldBe(60);
        task.BytesVerified.ShouldBe(30 * 301_000);
        host.ShouldBeSound();
        var report = await host.CoverageAsync();
        report.IsVerified.ShouldBeTrue();
        report.Sha256.ShouldNotBeNull();
        report.Tracks.Single(t => t.ChannelId == "video-1").Stretches.ShouldBe([new CoverageStretch(FakeSource.Start, FakeSource.Start + TimeSpan.FromMinutes(1), CoverageState.Copied, null)]);
        (await host.Target.Raw.GetStringAsync("v1/copy-tasks/task-1/coverage?format=csv")).ShouldStartWith("what,channel,");
        var reads = host.Source.SegmentReads;
        reads.ShouldBe(60);

        await host.StartCopyAsync(CopyHost.Definition("task-2"));
        (await host.EndAsync("task-2")).State.ShouldBe(CopyTaskState.NothingToCopy);
        host.Source.SegmentReads.ShouldBe(reads);
        (await host.TaskAsync("task-2")).BytesDone.ShouldBe(0);
    }

    // Scenario 31.
    [Fact]
    public async Task ABreakInASegment_IsResumedByRange()
    {
        await using var host = await CopyHost.StartAsync();
        var content = new byte[900_000];
        new Random(1).NextBytes(content);
        var digest = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content));
        var segment = host.Source.Add("video-1", FakeSource.Start, TimeSpan.FromSeconds(60), alter: s => s with { Bytes = content.Length, Sha256 = digest });
        var ranges = new List<string>();
        host.Source.Instead = async context =>
        {
            if (!context.Request.Path.Value!.EndsWith(segment.Id, StringComparison.Ordinal))
            {
                return false;
            }

            ranges.Add(context.Request.Headers.Range.ToString());
            await FakeSource.SendAsync(context, digest, content, cutAfter: ranges.Count == 1 ? 500_000 : null);
            return true;
        };
        await host.StartCopyAsync();
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        ranges.Count.ShouldBe(2);
        ranges[1].ShouldStartWith("bytes=");
        host.ShouldBeSound();
    }

    // Scenario 32.
    [Fact]
    public async Task AKilledCopy_GoesOnWhereItWas_AndFetchesNothingTwice()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 30, bytes: 20_000);
        var edge = FakeSource.Start + TimeSpan.FromSeconds(24);
        host.Source.Instead = async context =>
        {
            if (!context.Request.Path.Value!.StartsWith("/v1/segments/", StringComparison.Ordinal) || TimeOf(context.Request.Path.Value) < edge)
            {
                return false;
            }

            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            return true;
        };
        await host.StartCopyAsync();
        await host.UntilAsync(t => t.SegmentsDone == 12);
        await host.KillAsync();
        host.Source.Instead = null;

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        host.Rows().Count.ShouldBe(30);
        host.ShouldBeSound();
        host.Source.Requests.Where(r => r.StartsWith("/v1/segments/", StringComparison.Ordinal)).GroupBy(r => r)
            .Where(g => g.Count() > 1 && TimeOf(g.Key) < edge).ShouldBeEmpty();
    }

    [Fact]
    public async Task WhatCameAndWaitsForBandwidth_SurvivesAKill()
    {
        const int bytes = 64_000;
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 10, bytes: bytes);
        await host.StartCopyAsync(CopyHost.Definition() with { Limits = new CopyLimits(65_536) });
        var incoming = Path.Combine(host.Target.Folder, "incoming");
        await host.UntilAsync(_ => host.Source.SegmentReads > 0);

        // Time stands still now: whoever waits for bandwidth waits for ever.
        await Eventually.HoldsAsync(
            "four segments are here, of which the limit lets none pass",
            () => Task.FromResult(host.Source.SegmentReads >= 4 && new DirectoryInfo(incoming).EnumerateFiles().All(f => f.Length == bytes)));
        await host.KillAsync();

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        host.Source.SegmentReads.ShouldBe(10, "no segment was asked for again");
        host.ShouldBeSound();
    }

    [Theory]
    [InlineData(24_000, 10_000)]
    [InlineData(900_000, 300_000)]
    public async Task WhatHasComeOfEverySegmentInFlight_SurvivesAKill(int bytes, int came)
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 10, bytes: bytes);
        var asked = new System.Collections.Concurrent.ConcurrentQueue<(string Path, string Range)>();
        var isBreaking = true;
        host.Source.Instead = async context =>
        {
            if (!context.Request.Path.Value!.StartsWith("/v1/segments/", StringComparison.Ordinal))
            {
                return false;
            }

            asked.Enqueue((context.Request.Path.Value, context.Request.Headers.Range.ToString()));
            if (!Volatile.Read(ref isBreaking))
            {
                return false;
            }

            context.Response.ContentLength = bytes;
            await context.Response.Body.WriteAsync(host.Source.BytesOf(context.Request.Path.Value).AsMemory(0, came));
            await context.Response.Body.FlushAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            return true;
        };
        await host.StartCopyAsync();
        var incoming = new DirectoryInfo(Path.Combine(host.Target.Folder, "incoming"));
        await host.UntilAsync(_ => asked.Count == 4, step: TimeSpan.FromMilliseconds(1));

        // The source says no more; what it has said has to get to the files without another byte.
        await Eventually.HoldsAsync(
            "what came of each of the four lies in its file",
            () => Task.FromResult(incoming.GetFiles() is { Length: 4 } files && files.All(f => f.Length == came)));
        var inFlight = asked.Select(a => a.Path).ToHashSet(StringComparer.Ordinal);
        asked.Clear();
        Volatile.Write(ref isBreaking, false);
        await host.KillAsync();

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        asked.Where(a => inFlight.Contains(a.Path)).Select(a => a.Range).ShouldBe(Enumerable.Repeat($"bytes={came}-", 4));
        asked.Count.ShouldBe(10);
        host.ShouldBeSound();
    }

    [Fact]
    public async Task ARunThatIsStopped_KeepsTheBeginningOfASegment()
    {
        await using var host = await CopyHost.StartAsync();
        var content = new byte[100_000];
        new Random(1).NextBytes(content);
        var digest = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content));
        var segment = host.Source.Add("video-1", FakeSource.Start, TimeSpan.FromSeconds(60), alter: s => s with { Bytes = content.Length, Sha256 = digest });
        var ranges = new System.Collections.Concurrent.ConcurrentQueue<string>();
        host.Source.Instead = async context =>
        {
            if (!context.Request.Path.Value!.EndsWith(segment.Id, StringComparison.Ordinal))
            {
                return false;
            }

            ranges.Enqueue(context.Request.Headers.Range.ToString());
            if (ranges.Any(r => r.Length > 0))
            {
                await FakeSource.SendAsync(context, digest, content);
                return true;
            }

            context.Response.ContentLength = content.Length;
            await context.Response.Body.WriteAsync(content.AsMemory(0, 10_000));
            await context.Response.Body.FlushAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            return true;
        };
        await host.StartCopyAsync();
        await host.UntilAsync(_ => !ranges.IsEmpty, step: TimeSpan.FromMilliseconds(1));

        // Whether a beginning has arrived when the run is stopped is a matter of microseconds, so it may take more than one stop. The clock moves
        // too little for the source to count as silent, which would keep the beginning as well.
        for (var stops = 1; stops <= 20 && ranges.All(r => r.Length == 0); stops++)
        {
            await host.SetSourceAsync();
            await host.UntilAsync(t => ranges.Count > stops || t.EndedAt is not null, step: TimeSpan.FromMilliseconds(1));
        }

        ranges.ShouldContain("bytes=10000-");
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        host.ShouldBeSound();
    }

    // Scenario 46.
    [Fact]
    public async Task APageCutShort_OrExpired_LosesNothing()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.PageItems = 3;
        host.Source.AddTrack("video-1", 20);
        var troubles = 0;
        host.Source.Instead = async context =>
        {
            if (!context.Request.Path.Value!.EndsWith("/segments", StringComparison.Ordinal) || context.Request.Query["pageToken"].Count == 0 || ++troubles % 3 != 1)
            {
                return false;
            }

            if (troubles % 2 == 0)
            {
                await FakeSource.ProblemAsync(context, 410);
            }
            else
            {
                await context.Response.WriteAsync("{\"items\":[{\"id\":\"");
            }

            return true;
        };
        await host.StartCopyAsync();
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        host.Rows().Count.ShouldBe(20);
        troubles.ShouldBeGreaterThan(3);
    }

    // Scenario 34.
    [Fact]
    public async Task ASegmentThatIsCorruptAtTheSource_IsALoss_AndTheRestIsCopied()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 10);
        host.Source.AddTrack("audio-1", 10);
        var bad = host.Source.Add("video-1", FakeSource.Start + TimeSpan.FromSeconds(8), TimeSpan.FromSeconds(2), alter: s => s with { Sha256 = new string('a', 64) });
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromSeconds(20)));

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.CopiedWithLosses);
        var report = await host.CoverageAsync();
        report.IsVerified.ShouldBeFalse();
        report.Losses.Single().ShouldSatisfyAllConditions(l => l.ItemId.ShouldBe(bad.Id), l => l.Reason.ShouldBe("corruptAtSource"));
        report.Tracks.Single(t => t.ChannelId == "audio-1").IsVerified.ShouldBeTrue();
        report.Tracks.Single(t => t.ChannelId == "video-1").Stretches.Select(s => s.State).ShouldBe([CoverageState.Copied, CoverageState.Missing, CoverageState.Copied]);
        host.Rows().Count.ShouldBe(9);
        host.ShouldBeSound();

        host.Source.Add("video-1", bad.From, TimeSpan.FromSeconds(2));
        await host.OrderAsync(CopyOrder.Retry);
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
    }

    [Fact]
    public async Task ABusySource_IsLeftAloneAsLongAsItAsks()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 5);
        var start = host.Target.Time.GetUtcNow();
        host.Source.Instead = async context =>
        {
            if (host.Target.Time.GetUtcNow() - start >= TimeSpan.FromSeconds(40))
            {
                return false;
            }

            context.Response.Headers.RetryAfter = "40";
            await FakeSource.ProblemAsync(context, 503);
            return true;
        };
        await host.StartCopyAsync();
        (await host.UntilAsync(t => t.State == CopyTaskState.Paused)).PauseReason.ShouldBe(CopyPauseReason.Source);
        host.Source.Requests.Count.ShouldBe(1);
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
    }

    // Scenario 58.
    [Fact]
    public async Task AHostilePeer_IsRefused()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 3);
        host.Source.Add("video-1", FakeSource.Start + TimeSpan.FromSeconds(6), TimeSpan.FromSeconds(2), alter: s => s with { Id = "../../../etc/passwd" });
        host.Source.Add("video-1", FakeSource.Start + TimeSpan.FromSeconds(8), TimeSpan.FromSeconds(2), alter: s => s with { Bytes = 10_000_000_000_000 });
        var moved = host.Source.Add("video-1", FakeSource.Start + TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(2));
        var zipped = host.Source.Add("video-1", FakeSource.Start + TimeSpan.FromSeconds(12), TimeSpan.FromSeconds(2));
        host.Source.Instead = async context =>
        {
            if (context.Request.Path.Value!.EndsWith(moved.Id, StringComparison.Ordinal))
            {
                context.Response.Redirect("http://127.0.0.1:9/elsewhere");
                return true;
            }

            if (context.Request.Path.Value!.EndsWith(zipped.Id, StringComparison.Ordinal))
            {
                context.Response.Headers.ContentEncoding = "gzip";
                await context.Response.WriteAsync("bomb");
                return true;
            }

            return false;
        };
        await host.StartCopyAsync();
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.CopiedWithLosses);
        var losses = (await host.CoverageAsync()).Losses;
        losses.Select(l => l.Reason).Order().ShouldBe(["refused", "refused", "refused", "tooLarge"]);
        host.Rows().Count.ShouldBe(3);
        host.ShouldBeSound();
    }

    // Scenario 35.
    [Fact]
    public async Task WhatTheSourceRemoved_IsNamedWithItsReason()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 10);
        var from = FakeSource.Start + TimeSpan.FromSeconds(6);
        var gone = $"{FakeSource.Identity}~video-1~{from.UtcTicks}~src";
        host.Source.Remove(gone);
        host.Source.Gone.Add(new GoneSegment(gone, from, from + TimeSpan.FromSeconds(2), 1_000, "pressure", from));
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromSeconds(30)));
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.CopiedWithLosses);
        var report = await host.CoverageAsync();
        report.Losses.Single().Reason.ShouldBe("pressure");
        report.Tracks.Single(t => t.ChannelId == "video-1").Stretches.Select(s => (s.State, s.Reason)).ShouldBe(
            [(CoverageState.Copied, null), (CoverageState.Missing, "pressure"), (CoverageState.Copied, null), (CoverageState.NotRecorded, null)]);
        report.Tracks.Single(t => t.ChannelId == "audio-1").Stretches.Single().State.ShouldBe(CoverageState.NotRecorded);
    }

    // Scenario 43.
    [Fact]
    public async Task OnlyWhatTheTargetLacks_IsFetched_AndAnOverlapIsMarked()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 6);
        await CopyHost.FeedAsync(host.Target, "own", FakeSource.Start, FakeSource.Start + TimeSpan.FromSeconds(5));
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromSeconds(12)));
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        host.Source.SegmentReads.ShouldBe(4);
        var listed = host.Target.Store.Read(sql => SegmentStore.Overlapping(sql, $"{FakeSource.Identity}~video-1", null, null, 100)).ConvertAll(r => r.ToSegment());
        listed.Where(s => s.Overlaps).Select(s => s.From).ShouldBe([FakeSource.Start + TimeSpan.FromSeconds(4)]);
        (await host.CoverageAsync()).Tracks.Single(t => t.ChannelId == "video-1").AlreadyThere.Segments.ShouldBe(2);
    }

    // Scenario 45.
    [Fact]
    public async Task WithClocksApart_RatherAnOverlapThanAHole()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.ClockOffset = TimeSpan.FromSeconds(2);
        host.Source.AddTrack("video-1", 6);
        await CopyHost.FeedAsync(host.Target, "own", FakeSource.Start, FakeSource.Start + TimeSpan.FromSeconds(6));
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromSeconds(12)));
        var task = await host.EndAsync();
        task.State.ShouldBe(CopyTaskState.Copied);
        task.ClockOffset!.Value.TotalSeconds.ShouldBe(2, 0.5);
        host.Source.SegmentReads.ShouldBe(4);
        host.Rows().Where(r => r.TaskId is not null).ShouldAllBe(r => r.From >= FakeSource.Start && r.From.Second % 2 == 0);
    }

    // Scenario 47.
    [Fact]
    public async Task APositionBeyondThePeriod_IsNothingLeftToAskFor()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 6);

        // A run ended after the segment that reaches beyond the period was stored and before it could say that the channel is done.
        var definition = CopyHost.Definition(length: TimeSpan.FromSeconds(11));
        await host.SendAsync<CopyTask>(HttpMethod.Post, "v1/copy-tasks", definition);
        await host.Target.Store.WriteAsync(
            sql =>
            {
                CopyTaskStore.SavePosition(sql, definition.TaskId, new CopyPosition(CopyPosition.Copying, "video", "video-1", FakeSource.Start + TimeSpan.FromSeconds(12)));
                return true;
            },
            CancellationToken.None);
        await host.SetSourceAsync();

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        host.Rows().Count(r => r.TaskId is not null).ShouldBe(6);
        host.ShouldBeSound();
    }

    [Fact]
    public async Task AGrowingEnd_IsWaitedFor()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 5);
        var from = FakeSource.Start + TimeSpan.FromSeconds(10);
        host.Source.Add("video-1", from, TimeSpan.FromSeconds(1), alter: s => s with { Growing = true, Sha256 = null });
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromSeconds(12)));
        await host.UntilAsync(t => t.SegmentsDone == 5 && t.Channels.Any(c => c.Error?.Contains("still being recorded", StringComparison.Ordinal) == true));
        host.Source.Add("video-1", from, TimeSpan.FromSeconds(2));
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        host.Rows().Count.ShouldBe(6);
    }

    [Fact]
    public async Task DisputedMaterial_IsLeftAlone_UnlessAskedFor()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 4);
        var from = FakeSource.Start + TimeSpan.FromSeconds(8);
        host.Source.Add("video-1", from, TimeSpan.FromSeconds(2), alter: s => s with { Disputed = DisputeState.Disputed, DisputedFrom = from });
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromSeconds(10)));
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        host.Rows().Count.ShouldBe(4);
        var ordinary = (await host.CoverageAsync()).Tracks.Single(t => t.ChannelId == "video-1");
        (ordinary.IsVerified, ordinary.Expected, ordinary.Disputed, ordinary.DisputedHere).ShouldBe((true, new Amount(4, 4_000), new Amount(1, 1_000), null));

        await host.StartCopyAsync(CopyHost.Definition("task-2", TimeSpan.FromSeconds(10), withDisputed: true));
        (await host.EndAsync("task-2")).State.ShouldBe(CopyTaskState.Copied);
        host.Rows().Last().Dispute.ShouldBe(DisputeState.Disputed);
        var beside = (await host.CoverageAsync("task-2")).Tracks.Single(t => t.ChannelId == "video-1");
        (beside.IsVerified, beside.Expected, beside.AlreadyThere, beside.Copied).ShouldBe((true, new Amount(4, 4_000), new Amount(4, 4_000), new Amount(0, 0)));
        (beside.Disputed, beside.DisputedHere).ShouldBe((new Amount(1, 1_000), new Amount(1, 1_000)));
        beside.Stretches[^1].State.ShouldBe(CoverageState.Disputed);
        host.ShouldBeSound();
    }

    [Fact]
    public async Task DisputedMaterial_AskedForAndCorrupt_IsListedAndNotPartOfWhatIsExpected()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 4);
        var from = FakeSource.Start + TimeSpan.FromSeconds(8);
        var segment = host.Source.Add("video-1", from, TimeSpan.FromSeconds(2), alter: s => s with { Disputed = DisputeState.Disputed, DisputedFrom = from, Sha256 = new string('0', 64) });

        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromSeconds(10), withDisputed: true));
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.CopiedWithLosses);

        var report = await host.CoverageAsync();
        var track = report.Tracks.Single(t => t.ChannelId == "video-1");
        (report.IsVerified, track.IsVerified, track.Expected, track.Missing).ShouldBe((false, false, new Amount(4, 4_000), new Amount(0, 0)));
        (track.Disputed, track.DisputedHere).ShouldBe((new Amount(1, 1_000), new Amount(0, 0)));
        report.Losses.ShouldHaveSingleItem().ItemId.ShouldBe(segment.Id);
        CoverageDigest.Compute(report).ShouldBe(report.Sha256);
    }

    // Scenario 53.
    [Fact]
    public async Task AStalledSegment_LetsOtherChannelsGoOn()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("audio-1", 2);
        host.Source.AddTrack("video-1", 5);
        var isStalling = true;
        host.Source.Instead = async context =>
        {
            if (!isStalling || !context.Request.Path.Value!.Contains("/segments/vms-1~audio", StringComparison.Ordinal))
            {
                return false;
            }

            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            return true;
        };
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromSeconds(10)));
        await host.UntilAsync(t => t.SegmentsDone == 5);
        var task = await host.UntilAsync(t => t.Channels.Single(c => c.Kind == "audio").Error is not null, step: TimeSpan.FromSeconds(1));
        task.Channels.Single(c => c.Kind == "audio").Error.ShouldNotBeNull().ShouldContain("sent nothing");
        isStalling = false;
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
    }

    [Fact]
    public async Task TracksOfOneSegment_AreFetchedSideBySide()
    {
        const int Tracks = 6;
        await using var host = await CopyHost.StartAsync();
        for (var i = 1; i <= Tracks; i++)
        {
            host.Source.AddTrack($"video-{i}", 1);
        }

        // Nobody is answered before four have asked: one after the other they would wait for ever.
        var asked = 0;
        var four = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Source.Instead = async context =>
        {
            if (context.Request.Path.Value!.Contains("/segments/", StringComparison.Ordinal))
            {
                if (Interlocked.Increment(ref asked) == 4)
                {
                    four.SetResult();
                }

                await four.Task.WaitAsync(context.RequestAborted);
            }

            return false;
        };
        await host.StartCopyAsync();
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        host.Source.SegmentReads.ShouldBe(Tracks);
        host.ShouldBeSound();
    }

    [Fact]
    public async Task DamageOnTheTargetsDisk_IsFoundByVerification_AndFetchedAgain()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 5);
        await host.StartCopyAsync();
        await host.EndAsync();
        await File.WriteAllTextAsync(Path.Combine(host.Target.Folder, "segments", host.Rows()[2].File), "damaged");
        await host.StartCopyAsync(CopyHost.Definition("task-2"));
        (await host.EndAsync("task-2")).State.ShouldBe(CopyTaskState.Copied);
        host.Rows().Count.ShouldBe(5);
        host.ShouldBeSound();
    }

    // A disk that does not answer for a moment looks the same, and the source of long ago may have nothing left.
    [Fact]
    public async Task DamageToACopyThatTheSourceHasNoMore_LeavesIt()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 5);
        await host.StartCopyAsync();
        await host.EndAsync();
        var copy = host.Rows()[0];
        var path = Path.Combine(host.Target.Folder, "segments", copy.File);
        await File.WriteAllTextAsync(path, "damaged");
        host.Source.Remove(copy.SegmentId);
        await host.StartCopyAsync(CopyHost.Definition("task-2"));

        await host.EndAsync("task-2");

        host.Rows()[0].ShouldBe(copy);
        (await File.ReadAllTextAsync(path)).ShouldBe("damaged");
    }

    private static DateTimeOffset TimeOf(string path) => new(long.Parse(path.Split('~')[2], System.Globalization.CultureInfo.InvariantCulture), TimeSpan.Zero);
}
