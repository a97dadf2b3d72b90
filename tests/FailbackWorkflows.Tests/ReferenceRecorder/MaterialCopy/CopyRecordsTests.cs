using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.Records;
using Microsoft.AspNetCore.Http;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder.MaterialCopy;

/// <summary>Records: none lost, none twice, none overwritten by an older one.</summary>
public sealed class CopyRecordsTests
{
    // Scenario 49.
    [Fact]
    public async Task Records_OfEveryKind_ComeHome_ThoughPagesBreakAndTimesAreEqual()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.PageItems = 7;
        for (var i = 0; i < 50; i++)
        {
            host.Source.AddRecord(RecordKind.Anpr, $"anpr-{i:000}", FakeSource.Start + TimeSpan.FromSeconds(i / 10), body: $$"""{"plate":"B{{i}}"}""");
        }

        host.Source.AddRecord(RecordKind.Locks, "lock-1", FakeSource.Start, to: FakeSource.Start + TimeSpan.FromMinutes(5));
        host.Source.AddRecord(RecordKind.Text, "text-1", FakeSource.Start, channel: "not-configured-here");
        host.Source.AddRecord(RecordKind.Alarms, "alarm-1", FakeSource.Start, channel: null, body: """{"alarmId":"a","state":"new"}""");
        var cuts = 0;
        host.Source.Instead = async context =>
        {
            if (context.Request.Path != "/v1/records/anpr" || ++cuts % 4 != 0)
            {
                return false;
            }

            await context.Response.WriteAsync("{\"id\":\"anpr-0");
            return true;
        };
        await host.StartCopyAsync();
        var task = await host.EndAsync();
        task.State.ShouldBe(CopyTaskState.Copied, task.LastError);
        host.Records(RecordKind.Anpr).Count.ShouldBe(50);
        // The target records lines of its own meanwhile.
        host.Records(RecordKind.Text).Single(r => r.Id == "text-1").TaskId.ShouldBe("task-1");
        var report = await host.CoverageAsync();
        report.IsVerified.ShouldBeTrue();
        report.Records.Sum(r => r.Copied).ShouldBe(53);

        await host.StartCopyAsync(CopyHost.Definition("task-2"));
        (await host.EndAsync("task-2")).State.ShouldBe(CopyTaskState.NothingToCopy);
        (await host.TaskAsync("task-2")).RecordsDone.ShouldBe(0);
    }

    [Fact]
    public async Task WhatIsToldOfAChannelAfterItsLastFrame_ComesHome()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 5);
        var lastFrame = FakeSource.Start + TimeSpan.FromSeconds(10);
        host.Source.AddRecord(RecordKind.Alarms, "signal-lost", lastFrame + TimeSpan.FromMilliseconds(300), channel: "video-1", body: """{"alarmId":"a","state":"new"}""");
        await host.StartCopyAsync(CopyHost.Definition() with { Channels = [new CopyPeriod("video-1", FakeSource.Start, lastFrame)] });

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);

        host.Records(RecordKind.Alarms).ShouldHaveSingleItem().Id.ShouldBe("signal-lost");
        (await host.CoverageAsync()).Records.Single(r => r.Kind == RecordKind.Alarms).IsVerified.ShouldBeTrue();
    }

    // Scenario 49.
    [Fact]
    public async Task DisputedRecords_AreCountedApart_AndCopiedMarkedWhenAskedFor()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddRecord(RecordKind.Anpr, "anpr-1", FakeSource.Start + TimeSpan.FromSeconds(1));
        host.Source.AddRecord(RecordKind.Anpr, "anpr-2", FakeSource.Start + TimeSpan.FromSeconds(2), disputed: DisputeState.Disputed);
        host.Source.AddRecord(RecordKind.Metadata, "meta-1", FakeSource.Start + TimeSpan.FromSeconds(2), disputed: DisputeState.Disputed);
        await host.StartCopyAsync();
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);

        host.Records(RecordKind.Anpr).ShouldHaveSingleItem().Id.ShouldBe("anpr-1");
        host.Records(RecordKind.Metadata).ShouldNotContain(r => r.Id == "meta-1");
        var ordinary = (await host.CoverageAsync()).Records;
        ordinary.Select(r => (r.Kind, r.Expected, r.Disputed, r.DisputedHere, r.IsVerified)).ShouldBe([(RecordKind.Metadata, 0, 1, 0, true), (RecordKind.Anpr, 1, 1, 0, true)], ignoreOrder: true);

        await host.StartCopyAsync(CopyHost.Definition("task-2", withDisputed: true));
        (await host.EndAsync("task-2")).State.ShouldBe(CopyTaskState.Copied);

        host.Records(RecordKind.Anpr).Select(r => (r.Id, r.Dispute)).ShouldBe([("anpr-1", DisputeState.None), ("anpr-2", DisputeState.Disputed)]);
        var beside = (await host.CoverageAsync("task-2")).Records;
        beside.Select(r => (r.Kind, r.Expected, r.Disputed, r.DisputedHere, r.IsVerified)).ShouldBe([(RecordKind.Metadata, 0, 1, 1, true), (RecordKind.Anpr, 1, 1, 1, true)], ignoreOrder: true);

        await host.StartCopyAsync(CopyHost.Definition("task-3", withDisputed: true));
        await host.EndAsync("task-3");
        (await host.TaskAsync("task-3")).RecordsDone.ShouldBe(0);
    }

    // Two recorders that listened to one till gave the same line ids of their own.
    [Fact]
    public async Task ALineOfText_ThatWasTakenDownHereToo_IsNotStoredTwice()
    {
        await using var host = await CopyHost.StartAsync();
        var time = FakeSource.Start + TimeSpan.FromSeconds(3);
        const string line = """{"line":"1 Coffee 2.80","seq":3}""";
        var own = RecordRow.Make("here-1", RecordKind.Text, FakeSource.Identity, "till-1", time, null, 1, DisputeState.None, new MaterialOrigin("target-1", 1), line);
        await host.Target.Store.WriteAsync(
            sql =>
            {
                using var import = new RecordImport(sql);
                import.Add(own).Outcome.ShouldBe(ImportOutcome.Created);
                return true;
            },
            default);
        host.Source.AddRecord(RecordKind.Text, "there-1", time, "till-1", line);
        host.Source.AddRecord(RecordKind.Text, "there-2", time, "till-1", """{"line":"1 Tea 2.60","seq":4}""");
        host.Source.AddRecord(RecordKind.Text, "there-3", time + TimeSpan.FromSeconds(1), "till-1", line);
        await host.StartCopyAsync();

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);

        host.Records(RecordKind.Text).Where(r => r.ChannelId == "till-1").Select(r => r.Id).ShouldBe(["here-1", "there-2", "there-3"]);
        var coverage = (await host.CoverageAsync()).Records.Single(r => r.ChannelId == "till-1");
        (coverage.Expected, coverage.AlreadyThere, coverage.Copied, coverage.Missing, coverage.IsVerified).ShouldBe((3, 1, 2, 0, true));
    }

    [Fact]
    public async Task ARecordThatComesLate_IsNotMissed()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddRecord(RecordKind.Anpr, "anpr-1", FakeSource.Start + TimeSpan.FromSeconds(30));
        host.Source.AddRecord(RecordKind.Bookmarks, "mark-1", FakeSource.Start, to: FakeSource.Start + TimeSpan.FromSeconds(5));
        var isLate = true;
        host.Source.Instead = context =>
        {
            if (context.Request.Path == "/v1/records/bookmarks" && isLate)
            {
                // Plates have been read by now.
                isLate = false;
                host.Source.AddRecord(RecordKind.Anpr, "anpr-0", FakeSource.Start + TimeSpan.FromSeconds(1));
            }

            return Task.FromResult(false);
        };
        await host.StartCopyAsync();
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        host.Records(RecordKind.Anpr).Count.ShouldBe(2);
        host.Source.Requests.ShouldContain(r => r.Contains("changedAfter", StringComparison.Ordinal));
    }

    // Scenario 50.
    [Fact]
    public async Task AnAcknowledgedAlarm_StaysSo_AndThatIsNoLoss()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddRecord(RecordKind.Alarms, "alarm-1", FakeSource.Start, body: """{"alarmId":"a","state":"acknowledged","ackBy":"me"}""", revision: 2);
        await host.StartCopyAsync();
        await host.EndAsync();
        host.Source.AddRecord(RecordKind.Alarms, "alarm-1", FakeSource.Start, body: """{"alarmId":"a","state":"new"}""");
        await host.StartCopyAsync(CopyHost.Definition("task-2"));
        (await host.EndAsync("task-2")).State.ShouldBe(CopyTaskState.NothingToCopy);
        host.Records(RecordKind.Alarms).Single().Body.ShouldContain("acknowledged");
        (await host.CoverageAsync("task-2")).Records.Single(r => r.Kind == RecordKind.Alarms).Superseded.ShouldBe(1);
    }

    // Scenario 51: "for ever" is the end of the calendar.
    [Fact]
    public async Task ABookmarkWithoutAnEnd_DoesNotStopTheCopy()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 3);
        host.Source.AddRecord(RecordKind.Bookmarks, "bookmark-1", FakeSource.Start, to: DateTimeOffset.MaxValue);
        await host.StartCopyAsync();

        var task = await host.EndAsync();

        task.State.ShouldBe(CopyTaskState.Copied, task.LastError);
        host.Records(RecordKind.Bookmarks).Count.ShouldBe(1);
    }

    // What was recorded here without authority neither counts as present nor stands in the way.
    [Fact]
    public async Task ARecordThatIsDisputedHere_IsReplacedByTheOrdinaryOne_WhateverItsRevision()
    {
        await using var host = await CopyHost.StartAsync();
        var disputed = RecordStoreTests.Make(RecordKind.Bookmarks, 5, """{"text":"without authority"}""", "bookmark-1", FakeSource.Start) with { Dispute = DisputeState.Disputed };
        await host.Target.Store.WriteAsync(sql => RecordStore.Import(sql, [disputed.ToRecord()], null), default);
        host.Source.AddRecord(RecordKind.Bookmarks, "bookmark-1", FakeSource.Start, body: """{"text":"with authority"}""", revision: 2);
        await host.StartCopyAsync();

        var task = await host.EndAsync();

        task.State.ShouldBe(CopyTaskState.Copied, task.LastError);
        host.Records(RecordKind.Bookmarks).Single().ShouldSatisfyAllConditions(
            r => r.Dispute.ShouldBe(DisputeState.None), r => r.Revision.ShouldBe(2), r => r.Body.ShouldContain("with authority"));
    }

    // Scenario 58: one record that nobody can keep is one loss.
    [Fact]
    public async Task ARecordThatCannotBeKept_IsRefused_AndTheOthersComeHome()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddRecord(RecordKind.Anpr, "anpr-1", FakeSource.Start, body: """{"plate":"BAD 1"}""");
        host.Source.AddRecord(RecordKind.Anpr, "anpr-2", FakeSource.Start.AddSeconds(1), body: """{"plate":"GOOD 2"}""");
        var isAsking = false;
        host.Source.Instead = async context =>
        {
            if (context.Request.Path != "/v1/records/anpr" || isAsking)
            {
                return false;
            }

            // What the source itself says, but for one text that is half a character.
            isAsking = true;
            using var http = new HttpClient();
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(host.Source.Url, context.Request.Path + context.Request.QueryString.Value));
            request.Headers.Authorization = new("Bearer", host.Source.Token);
            using var answer = await http.SendAsync(request);
            await context.Response.WriteAsync((await answer.Content.ReadAsStringAsync()).Replace("BAD 1", "\\ud800", StringComparison.Ordinal));
            isAsking = false;
            return true;
        };
        await host.StartCopyAsync();

        var task = await host.EndAsync();

        task.State.ShouldBe(CopyTaskState.CopiedWithLosses, task.LastError);
        host.Records(RecordKind.Anpr).Select(r => r.Id).ShouldBe(["anpr-2"]);
        (await host.CoverageAsync()).Losses.ShouldHaveSingleItem().ShouldSatisfyAllConditions(l => l.ItemId.ShouldBe("anpr-1"), l => l.Reason.ShouldBe("refused"));
    }

    [Fact]
    public async Task TheMinutesOfAnAlarm_ComeFirst()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 600);
        host.Source.AddRecord(RecordKind.Alarms, "alarm-1", FakeSource.Start + TimeSpan.FromMinutes(15), body: """{"alarmId":"a","state":"new"}""");
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromMinutes(20)));
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        var first = host.Source.Requests.Where(r => r.StartsWith("/v1/segments/", StringComparison.Ordinal)).Take(60)
            .Select(r => new DateTimeOffset(long.Parse(r.Split('~')[2], System.Globalization.CultureInfo.InvariantCulture), TimeSpan.Zero));
        first.ShouldAllBe(t => t >= FakeSource.Start + TimeSpan.FromMinutes(13.9) && t < FakeSource.Start + TimeSpan.FromMinutes(16));
    }

    [Theory]
    [InlineData("alarms")]
    [InlineData("locks")]
    public async Task ABrokenPageOfEvidence_IsAskedForAgain_AndWhatItTellsOfStillComesFirst(string kind)
    {
        await using var host = await CopyHost.StartAsync();
        AddEvidence(host, kind);
        var (pages, breaks) = (0, 0);
        host.Source.Instead = async context =>
        {
            // Locks are first read for themselves, in three pages.
            if (context.Request.Path != $"/v1/records/{kind}" || ++pages <= (kind == "locks" ? 4 : 1) || breaks == 3)
            {
                return false;
            }

            breaks++;
            await context.Response.WriteAsync("{\"id\":\"broken-o");
            return true;
        };
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromMinutes(20)));

        var task = await host.EndAsync();
        task.State.ShouldBe(CopyTaskState.Copied, task.LastError);
        breaks.ShouldBe(3);
        task.Channels.ShouldAllBe(c => c.Error == null);
        var asked = SegmentsAsked(host);
        var first = asked.TakeWhile(t => IsEvidence(kind, t)).ToList();
        first.Count.ShouldBe(asked.Count(t => IsEvidence(kind, t)), "all of them before any other");
        first.Count(t => t < FakeSource.Start + TimeSpan.FromMinutes(10)).ShouldBeGreaterThan(20);
        first.Count(t => t > FakeSource.Start + TimeSpan.FromMinutes(10)).ShouldBeGreaterThan(20);
    }

    [Fact]
    public async Task WhenEvidenceCannotBeReadToItsEnd_WhatIsKnownComesFirst_AndTheTaskSaysSo()
    {
        await using var host = await CopyHost.StartAsync();
        AddEvidence(host, "alarms");
        var pages = 0;
        var isBroken = true;
        host.Source.Instead = async context =>
        {
            if (context.Request.Path.Value!.StartsWith("/v1/segments/", StringComparison.Ordinal) && SegmentsAsked(host).Exists(t => !IsEvidence("alarms", t)))
            {
                Volatile.Write(ref isBroken, false);
            }

            if (context.Request.Path != "/v1/records/alarms" || ++pages == 1 || !Volatile.Read(ref isBroken))
            {
                return false;
            }

            await context.Response.WriteAsync("{\"id\":\"broken-o");
            return true;
        };
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromMinutes(20)));

        var task = await host.EndAsync();
        task.State.ShouldBe(CopyTaskState.Copied, task.LastError);
        host.Records(RecordKind.Alarms).Count.ShouldBe(12);
        SegmentsAsked(host).Take(20).ShouldAllBe(t => IsEvidence("alarms", t) && t < FakeSource.Start + TimeSpan.FromMinutes(10));
        task.Channels.Where(c => c.Error is not null).ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            c => (c.Kind, c.ChannelId).ShouldBe(("alarms", null)), c => c.Attempts.ShouldBe(5), c => c.Error.ShouldNotBeNull().ShouldContain("could not be put first"));
    }

    /// <summary>20 minutes of video with evidence in two places, on three pages; the later place stands on the last one.</summary>
    private static void AddEvidence(CopyHost host, string kind)
    {
        host.Source.PageItems = 5;
        host.Source.AddTrack("video-1", 600);
        for (var i = 0; i < 12; i++)
        {
            var at = FakeSource.Start + (i < 10 ? TimeSpan.FromMinutes(5) : TimeSpan.FromMinutes(15)) + TimeSpan.FromMilliseconds(i);
            host.Source.AddRecord(
                kind == "locks" ? RecordKind.Locks : RecordKind.Alarms, $"{kind}-{i:00}", at, body: """{"alarmId":"a","state":"new"}""", to: kind == "locks" ? at + TimeSpan.FromSeconds(50) : null);
        }
    }

    /// <summary>Within a lock of 50 s, or a minute around an alarm.</summary>
    private static bool IsEvidence(string kind, DateTimeOffset segment)
    {
        var minutes = (segment - FakeSource.Start).TotalMinutes;
        var fromPlace = (minutes < 10 ? minutes - 5 : minutes - 15) * 60;
        return kind == "locks" ? fromPlace is > -1 and < 51 : fromPlace is > -61 and < 61;
    }

    private static List<DateTimeOffset> SegmentsAsked(CopyHost host) =>
    [
        .. host.Source.Requests.Where(r => r.StartsWith("/v1/segments/", StringComparison.Ordinal))
            .Select(r => new DateTimeOffset(long.Parse(r.Split('~')[2], System.Globalization.CultureInfo.InvariantCulture), TimeSpan.Zero)),
    ];
}
