using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.Records;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder;

public sealed class RecordStoreTests
{
    private static readonly DateTimeOffset At = new(2026, 2, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void AlarmAcknowledgedHere_LaterRevisionComesAsNew_StaysAcknowledgedOnBothSides()
    {
        var here = Alarm(2, """{"state":"acknowledged","ackBy":"anna","ackUtc":"2026-02-01T12:01:00Z","text":"Door"}""");
        var there = Alarm(5, """{"state":"new","text":"Door again"}""");

        var (outcome, merged) = RecordMerge.Decide(here, there);
        var (otherOutcome, other) = RecordMerge.Decide(there, here);

        (outcome, otherOutcome).ShouldBe((ImportOutcome.Updated, ImportOutcome.Updated));
        other.ShouldBe(merged);
        merged!.Revision.ShouldBe(6);
        merged.Body.ShouldBe("""{"ackBy":"anna","ackUtc":"2026-02-01T12:01:00Z","state":"acknowledged","text":"Door again"}""");
        RecordMerge.Decide(merged, there).ShouldBe((ImportOutcome.Older, null));
        RecordMerge.Decide(merged, here).ShouldBe((ImportOutcome.Older, null));
        RecordMerge.Decide(there, merged).ShouldBe((ImportOutcome.Updated, merged));
    }

    [Fact]
    public void AlarmClosedThereAndAcknowledgedHere_SameRevision_IsClosedAndAcknowledged()
    {
        var here = Alarm(2, """{"state":"acknowledged","ackBy":"anna"}""");
        var there = Alarm(2, """{"state":"closed"}""");

        var (outcome, merged) = RecordMerge.Decide(here, there);

        outcome.ShouldBe(ImportOutcome.Updated);
        RecordMerge.Decide(there, here).Row.ShouldBe(merged);
        merged!.Body.ShouldBe("""{"ackBy":"anna","state":"closed"}""");
    }

    [Theory]
    [InlineData(1, 2, ImportOutcome.Updated)]
    [InlineData(2, 1, ImportOutcome.Older)]
    [InlineData(2, 2, ImportOutcome.Conflict)]
    public void OtherContent_TheLaterRevisionWins(long here, long incoming, ImportOutcome expected) =>
        RecordMerge.Decide(Make(RecordKind.Bookmarks, here, """{"text":"a"}"""), Make(RecordKind.Bookmarks, incoming, """{"text":"b"}""")).Outcome.ShouldBe(expected);

    [Fact]
    public void Disputed_NeverReplacesOrdinary_OrdinarySettlesDisputed()
    {
        var ordinary = Make(RecordKind.Text, 1, """{"line":"a"}""");
        var disputed = Make(RecordKind.Text, 2, """{"line":"b"}""") with { Dispute = DisputeState.Disputed };

        RecordMerge.Decide(ordinary, disputed).Outcome.ShouldBe(ImportOutcome.Conflict);
        RecordMerge.Decide(ordinary with { Dispute = DisputeState.Disputed }, ordinary).ShouldBe((ImportOutcome.Updated, ordinary));
        RecordMerge.Decide(ordinary, ordinary with { Dispute = DisputeState.Disputed }).ShouldBe((ImportOutcome.Identical, null));
        RecordMerge.Decide(disputed, ordinary).ShouldBe((ImportOutcome.Updated, ordinary));
    }

    [Fact]
    public void DisputedAlarmThatWasAcknowledgedHere_TheOrdinaryOneComes_IsOrdinaryAndStaysAcknowledged()
    {
        var here = Alarm(4, """{"state":"acknowledged","ackBy":"anna","text":"Seen without authority"}""") with { Dispute = DisputeState.Disputed };
        var ordinary = Alarm(2, """{"state":"new","text":"Door"}""");

        var (outcome, merged) = RecordMerge.Decide(here, ordinary);

        outcome.ShouldBe(ImportOutcome.Updated);
        merged!.Dispute.ShouldBe(DisputeState.None);
        merged.Body.ShouldBe("""{"ackBy":"anna","state":"acknowledged","text":"Door"}""");
        RecordMerge.Decide(merged, ordinary).ShouldBe((ImportOutcome.Older, null));
    }

    [Fact]
    public async Task Import_OfManyAtOneTime_PagesGiveEachOnceAndChangesAreFoundHoweverOld()
    {
        await using var host = await RecorderHost.StartAsync();
        var records = Enumerable.Range(1, 2500).Select(n => Make(RecordKind.Anpr, 1, $$"""{"plate":"AB {{n}}"}""", $"anpr-{n}", At.AddSeconds(n / 1000)).ToRecord()).ToList();
        (await host.Store.WriteAsync(sql => RecordStore.Import(sql, records, "task-1"), default)).ShouldAllBe(r => r.Outcome == ImportOutcome.Created);
        (await host.Store.WriteAsync(sql => RecordStore.Import(sql, records, "task-1"), default)).ShouldAllBe(r => r.Outcome == ImportOutcome.Identical);

        var query = new RecordQuery(RecordKind.Anpr, RecorderHost.Identity);
        var ids = new List<string>();
        var page = host.Store.Read(sql => RecordStore.Page(sql, query, null, 700));
        for (; page.Count > 0; page = host.Store.Read(sql => RecordStore.Page(sql, query, (page[^1].Time, page[^1].Id), 700)))
        {
            ids.AddRange(page.Select(r => r.Id));
        }

        var sequence = host.Store.Read(RecordStore.ChangeSequence);
        var root = host.Store.Read(sql => RecordStore.Root(sql, query));
        await host.Store.WriteAsync(sql => RecordStore.Import(sql, [Make(RecordKind.Anpr, 1, """{"plate":"LATE 1"}""", "late", At.AddDays(-1)).ToRecord()], null), default);

        ids.Count.ShouldBe(2500);
        ids.ShouldBeUnique();
        root.Count.ShouldBe(2500);
        host.Store.Read(sql => RecordStore.Page(sql, query with { ChangedAfter = sequence }, null, 10)).Select(r => r.Id).ShouldBe(["late"]);
        host.Store.Read(sql => RecordStore.Page(sql, query with { Plate = "late*" }, null, 10)).Select(r => r.Id).ShouldBe(["late"]);
        host.Store.Read(sql => RecordStore.Root(sql, query)).ShouldNotBe(root);
    }

    [Theory]
    [InlineData("../x", "{}", null)]
    [InlineData("ok", "[]", null)]
    [InlineData("ok", "{}", "0000")]
    public void Record_ThatCannotBeStored_IsRejectedWithAReason(string id, string body, string? sha256)
    {
        var row = Make(RecordKind.Alarms, 1, body, id);
        RecordRules.Reject(sha256 is null ? row : row with { Sha256 = sha256 }).ShouldNotBeNull();
    }

    internal static RecordRow Make(RecordKind kind, long revision, string body, string id = "one", DateTimeOffset? at = null, string? channelId = "video-1") =>
        RecordRow.Make(id, kind, RecorderHost.Identity, channelId, at ?? At, kind == RecordKind.Locks ? (at ?? At).AddMinutes(1) : null, revision, DisputeState.None, new MaterialOrigin("machine-1", 1), CanonicalJson.Text(RecorderHost.Json(body)));

    private static RecordRow Alarm(long revision, string body) => Make(RecordKind.Alarms, revision, body);
}
