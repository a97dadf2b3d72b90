using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using Microsoft.AspNetCore.Http;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder.MaterialCopy;

/// <summary>What sources, networks and accounts do in the middle of a copy.</summary>
public sealed class CopyFaultsTests
{
    // Scenario 31: the tag changed, so what came before is of other bytes.
    [Fact]
    public async Task ABreak_AfterWhichTheTagIsAnother_BeginsTheSegmentAgain()
    {
        await using var host = await CopyHost.StartAsync();
        var content = RandomNumberGenerator.GetBytes(700_000);
        var digest = Convert.ToHexStringLower(SHA256.HashData(content));
        var segment = host.Source.Add("video-1", FakeSource.Start, TimeSpan.FromSeconds(60), alter: s => s with { Bytes = content.Length, Sha256 = digest });
        var asked = new ConcurrentQueue<(string Range, string IfRange)>();
        host.Source.Instead = async context =>
        {
            if (!context.Request.Path.Value!.EndsWith(segment.Id, StringComparison.Ordinal))
            {
                return false;
            }

            asked.Enqueue((context.Request.Headers.Range.ToString(), context.Request.Headers.IfRange.ToString()));
            // The first answer begins with bytes of an earlier state of the file, under that state's tag.
            await (asked.Count == 1
                ? FakeSource.SendAsync(context, "earlier-state", new byte[content.Length], cutAfter: 400_000)
                : FakeSource.SendAsync(context, digest, content));
            return true;
        };
        await host.StartCopyAsync();

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        asked.Count.ShouldBe(2);
        var (range, ifRange) = asked.Last();

        // Where it goes on: what was on its way when the connection was aborted may never have been received.
        long.Parse(range["bytes=".Length..^1], CultureInfo.InvariantCulture).ShouldBeInRange(1, 400_000);
        ifRange.ShouldBe("\"earlier-state\"");
        host.ShouldBeSound();
        await host.AgainNothingMovesAsync();
    }

    // Scenario 33.
    [Fact]
    public async Task AChannelThatAlwaysFails_IsPutOffLongerEachTime_ThenGivenUp_WhileTheOthersAreCopied()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 20);
        host.Source.AddTrack("video-2", 20);
        var tries = new ConcurrentQueue<DateTimeOffset>();
        var doneBefore = new ConcurrentQueue<int>();
        host.Source.Instead = context =>
        {
            if (!context.Request.Path.Value!.StartsWith("/v1/segments/vms-1~video-1", StringComparison.Ordinal))
            {
                return Task.FromResult(false);
            }

            tries.Enqueue(host.Target.Time.GetUtcNow());
            doneBefore.Enqueue(host.Rows("video-2").Count);
            context.Response.StatusCode = 500;
            return Task.FromResult(true);
        };
        await host.StartCopyAsync();

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.CopiedWithLosses);
        var report = await host.CoverageAsync();
        report.Tracks.Single(t => t.ChannelId == "video-2").ShouldSatisfyAllConditions(t => t.IsVerified.ShouldBeTrue(), t => t.Copied.Segments.ShouldBe(20));
        var failed = report.Tracks.Single(t => t.ChannelId == "video-1");
        (failed.IsVerified, failed.Missing.Segments, failed.Copied.Segments).ShouldBe((false, 20, 0));
        report.Losses.Count.ShouldBe(20);
        report.Losses.ShouldAllBe(l => l.ChannelId == "video-1" && l.Reason == "unreadable");
        (await host.TaskAsync()).Channels.Single(c => c.ChannelId == "video-1").ShouldSatisfyAllConditions(c => c.Attempts.ShouldBe(5), c => c.Error.ShouldNotBeNull().ShouldContain("500"));

        // 1, 2, 4 and 8 s between five runs; the other channel was through by the second.
        var pauses = tries.Order().Zip(tries.Order().Skip(1)).Select(p => p.Second - p.First).Where(p => p > TimeSpan.FromSeconds(0.9)).ToList();
        pauses.Count.ShouldBe(4);
        pauses.Zip(pauses.Skip(1)).ShouldAllBe(p => p.Second > p.First * 1.5);
        doneBefore.Last().ShouldBe(20);
    }

    // Scenario 34: damage on the way, by a proxy say.
    [Fact]
    public async Task BytesThatAreDamagedOnTheWay_AreThrownAwayAndFetchedAgain()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 8);
        var damaged = new ConcurrentDictionary<string, int>();
        host.Source.Instead = async context =>
        {
            var id = context.Request.Path.Value!["/v1/".Length..];
            if (!id.StartsWith("segments/", StringComparison.Ordinal) || damaged.AddOrUpdate(id, 1, (_, n) => n + 1) > 1)
            {
                return false;
            }

            await FakeSource.SendAsync(context, "whatever", new byte[1_000]);
            return true;
        };
        await host.StartCopyAsync();

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        host.Source.ReadIds.GroupBy(i => i).ShouldAllBe(g => g.Count() == 2);
        host.ShouldBeSound();
        await host.AgainNothingMovesAsync();
    }

    // Scenario 34: damage that stays is damage at the source.
    [Fact]
    public async Task BytesThatNeverHaveTheirDigest_AreNeverStored()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 3);
        var rotten = host.Source.SegmentsOf("video-1")[1];
        host.Source.Instead = async context =>
        {
            if (!context.Request.Path.Value!.EndsWith(rotten.Id, StringComparison.Ordinal))
            {
                return false;
            }

            host.Rows().ShouldNotContain(r => r.SegmentId == rotten.Id);
            await FakeSource.SendAsync(context, rotten.Sha256!, new byte[1_000]);
            return true;
        };
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromSeconds(6)));

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.CopiedWithLosses);
        host.Source.ReadIds.Count(i => i == rotten.Id).ShouldBe(10, "twice in each of five runs");
        (await host.CoverageAsync()).Losses.ShouldHaveSingleItem().ShouldSatisfyAllConditions(l => l.ItemId.ShouldBe(rotten.Id), l => l.Reason.ShouldBe("corruptAtSource"));
        host.Rows().Select(r => r.SegmentId).ShouldNotContain(rotten.Id);
        Directory.EnumerateFiles(Path.Combine(host.Target.Folder, "incoming")).ShouldBeEmpty();
        host.ShouldBeSound();
    }

    // Scenario 30.
    [Fact]
    public async Task ASourceThatMoves_IsFollowed_FromWhereTheCopyStood()
    {
        await using var host = await CopyHost.StartAsync();
        await using var elsewhere = await FakeSource.StartAsync(host.Target.Time);
        elsewhere.Token = "another-read-token";
        host.Source.AddTrack("video-1", 20);
        elsewhere.AddTrack("video-1", 20);
        host.Source.Instead = async context =>
        {
            if (!IsSegment(context) || TimeOf(context.Request.Path.Value!) < FakeSource.Start + TimeSpan.FromSeconds(16))
            {
                return false;
            }

            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            return true;
        };
        await host.StartCopyAsync();
        await host.UntilAsync(t => t.SegmentsDone == 8, step: TimeSpan.FromMilliseconds(1));
        await host.SetSourceAsync(token: elsewhere.Token, url: elsewhere.Url);

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        elsewhere.ReadIds.Select(TimeOf).ShouldBe(Enumerable.Range(8, 12).Select(i => FakeSource.Start + TimeSpan.FromSeconds(2 * i)), ignoreOrder: true);
    }

    // Scenario 56.
    [Fact]
    public async Task ACredentialThatIsRefusedInTheMiddle_IsNotTriedAgain_UntilANewOneComes()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 20);
        var served = 0;
        host.Source.Instead = context =>
        {
            if (IsSegment(context) && Interlocked.Increment(ref served) == 6)
            {
                host.Source.Token = "rotated-token";
            }

            return Task.FromResult(false);
        };
        await host.StartCopyAsync();
        var paused = await host.UntilAsync(t => t.State == CopyTaskState.Paused || t.EndedAt is not null);

        (paused.State, paused.PauseReason).ShouldBe((CopyTaskState.Paused, CopyPauseReason.Source));
        paused.LastError.ShouldNotBeNull().ShouldContain("credential");
        paused.SegmentsDone.ShouldBeLessThan(20);
        var asked = host.Source.Requests.Count;
        for (var i = 0; i < 20; i++)
        {
            host.Target.Time.Advance(TimeSpan.FromSeconds(15));
            await host.Service.Changed.WaitAsync(TimeSpan.FromMilliseconds(1));
        }

        host.Source.Requests.Count.ShouldBe(asked, "five minutes passed and nobody knocked");
        await host.SetSourceAsync();
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        host.Rows().Count.ShouldBe(20);
        await host.AgainNothingMovesAsync();
    }

    // Scenario 53: a task that works tells so, one whose recorder is dead does not.
    [Fact]
    public async Task TheHeartbeat_GoesOnWhileASourceHangs_AndStopsWithTheRecorder()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 5);
        var hangs = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Source.Instead = async context =>
        {
            if (!IsSegment(context))
            {
                return false;
            }

            hangs.TrySetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            return true;
        };
        await host.StartCopyAsync();
        await hangs.Task.WaitAsync(TimeSpan.FromSeconds(60));
        var first = (await host.TaskAsync()).HeartbeatAt.ShouldNotBeNull();
        var second = (await host.UntilAsync(t => t.HeartbeatAt > first, step: TimeSpan.FromSeconds(1))).HeartbeatAt!.Value;

        (second - first).ShouldBeInRange(TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(15));
        await host.Target.App.StopAsync();
        host.Target.Time.Advance(TimeSpan.FromMinutes(5));
        var last = host.Target.Store.Read(sql => sql.Single("SELECT heartbeat_at FROM copy_tasks", r => r.GetInt64(0)));
        (host.Target.Time.GetUtcNow() - new DateTimeOffset(last, TimeSpan.Zero)).ShouldBeGreaterThan(TimeSpan.FromMinutes(4));
    }

    // Scenario 47: the wait has an end.
    [Fact]
    public async Task AnEndThatNeverStopsGrowing_IsGivenUp_AndItsClosedPartIsHome()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 5);
        var growing = host.Source.Add("video-1", FakeSource.Start + TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(1), alter: s => s with { Growing = true, Sha256 = null });
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromSeconds(12)));
        var began = host.Target.Time.GetUtcNow();
        await host.UntilAsync(t => t.EndedAt is not null, step: TimeSpan.FromSeconds(1));

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.CopiedWithLosses);
        (host.Target.Time.GetUtcNow() - began).ShouldBeInRange(TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(4));
        host.Rows().Count.ShouldBe(5);
        (await host.CoverageAsync()).Losses.ShouldHaveSingleItem().ShouldSatisfyAllConditions(l => l.ItemId.ShouldBe(growing.Id), l => l.Reason.ShouldBe("growing"));
    }

    // Scenarios 33 and 54: what was in flight when a run was stopped is neither here nor lost, whatever becomes of other channels.
    [Fact]
    public async Task ATransferThatAPauseCalledOff_IsMadeUpFor_ThoughAnotherChannelIsGivenUp()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 4);
        host.Source.AddTrack("video-2", 4);
        var (hanging, letGo) = (0, 0);
        var isHanging = true;
        host.Source.Instead = async context =>
        {
            if (!IsSegment(context))
            {
                return false;
            }

            if (context.Request.Path.Value!.Contains("video-1", StringComparison.Ordinal))
            {
                await FakeSource.ProblemAsync(context, 500);
                return true;
            }

            if (!Volatile.Read(ref isHanging))
            {
                return false;
            }

            Interlocked.Increment(ref hanging);
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => Interlocked.Increment(ref letGo), TaskScheduler.Default);
            return true;
        };
        await host.StartCopyAsync();
        await host.UntilAsync(_ => Volatile.Read(ref hanging) == 4, step: TimeSpan.FromMilliseconds(20));
        await host.OrderAsync(CopyOrder.Pause);
        await host.UntilAsync(_ => Volatile.Read(ref letGo) == 4, step: TimeSpan.FromMilliseconds(1));
        Volatile.Write(ref isHanging, false);
        await host.OrderAsync(CopyOrder.Resume);

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.CopiedWithLosses);
        var report = await host.CoverageAsync();
        report.Tracks.Single(t => t.ChannelId == "video-2").ShouldSatisfyAllConditions(t => t.Copied.Segments.ShouldBe(4), t => t.IsVerified.ShouldBeTrue());
        report.Losses.ShouldAllBe(l => l.ChannelId == "video-1");
    }

    // Scenario 32: the index could not be written; what was counted in that transaction was not stored.
    [Fact]
    public async Task ACommitThatFails_LeavesThePositionWhereItWas()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 6);
        await host.Target.Store.WriteAsync(
            sql => sql.Run("CREATE TRIGGER fails BEFORE UPDATE OF segments_done ON copy_tasks WHEN NEW.segments_done > OLD.segments_done BEGIN SELECT RAISE(ABORT, 'ordered by a test'); END"), default);
        await host.StartCopyAsync();

        var failed = await host.UntilAsync(t => t.LastError?.Contains("ordered by a test", StringComparison.Ordinal) == true);

        host.Rows().ShouldBeEmpty();
        failed.Channels.Single(c => c.ChannelId == "video-1").ShouldSatisfyAllConditions(c => c.Position.ShouldBeNull(), c => c.Done.ShouldBe(0));
        await host.Target.Store.WriteAsync(sql => sql.Run("DROP TRIGGER fails"), default);
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        host.Rows().Count.ShouldBe(6);
    }

    // Nobody would tell the run of a pause, of a lost duty or of another limit.
    [Fact]
    public async Task ARunWhoseWatchingFailsOnce_IsWatchedOn()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 5);
        var hangs = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var letGo = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var isPaused = false;
        host.Source.Instead = async context =>
        {
            if (!IsSegment(context))
            {
                return false;
            }

            hangs.TrySetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => Volatile.Read(ref isPaused) && letGo.TrySetResult(), TaskScheduler.Default);
            return true;
        };
        await host.StartCopyAsync();
        await hangs.Task.WaitAsync(TimeSpan.FromSeconds(60));
        await host.Target.Store.WriteAsync(sql => sql.Run("CREATE TRIGGER fails BEFORE UPDATE OF heartbeat_at ON copy_tasks BEGIN SELECT RAISE(ABORT, 'ordered by a test'); END"), default);
        var hasFailed = false;
        var rolledBack = host.Target.Store.RolledBack;
        host.Target.Store.RolledBack = () =>
        {
            rolledBack?.Invoke();
            Volatile.Write(ref hasFailed, true);
        };
        await host.UntilAsync(_ => Volatile.Read(ref hasFailed), step: TimeSpan.FromSeconds(1));
        await host.Target.Store.WriteAsync(sql => sql.Run("DROP TRIGGER fails"), default);

        Volatile.Write(ref isPaused, true);
        await host.OrderAsync(CopyOrder.Pause);

        await letGo.Task.WaitAsync(TimeSpan.FromSeconds(60));
        (await host.UntilAsync(t => t.Phase is null)).State.ShouldBe(CopyTaskState.Paused);
    }

    // Not a recorder's line at all.
    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    public async Task ALineThatIsNoRecord_BreaksItsKindOnly(string line)
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 3);
        host.Source.AddRecord(RecordKind.Anpr, "anpr-1", FakeSource.Start);
        host.Source.Instead = async context =>
        {
            if (context.Request.Path != "/v1/records/anpr")
            {
                return false;
            }

            await context.Response.WriteAsync(line + "\n");
            return true;
        };
        await host.StartCopyAsync();

        var task = await host.EndAsync();

        task.State.ShouldBe(CopyTaskState.Failed);
        task.LastError.ShouldNotBeNull().ShouldContain("not understood");
        host.Rows().Count.ShouldBe(3);
    }

    private static bool IsSegment(HttpContext context) => context.Request.Path.Value!.StartsWith("/v1/segments/", StringComparison.Ordinal);

    private static DateTimeOffset TimeOf(string id) => new(long.Parse(id.Split('~')[2], CultureInfo.InvariantCulture), TimeSpan.Zero);
}
