using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.ReferenceRecorder.Recording;
using FailbackWorkflows.ReferenceRecorder.Records;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder;

/// <summary>What is recorded as records: lines of text channels, analytics, alarms.</summary>
public sealed class RecordingRecordsTests
{
    private static readonly PlannedChannel Camera = new("vms-1", "video-1", ChannelKind.Video, 1, Provisional: false);

    [Fact]
    public async Task TextChannel_Recorded_GivesLinesWithItsTimesAndNoSegments()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.PassAsync(TimeSpan.FromSeconds(10));
        var channel = (await host.RecordingAsync()).Channels.Single(c => c.ChannelId == "text-1");

        var (lines, _) = await host.RecordsAsync("text", "&channelId=text-1");

        (await host.SegmentsAsync("text-1")).ShouldBeEmpty();
        lines.Count.ShouldBeInRange(9, 12);
        lines.Select(l => l.TimeUtc).ShouldBeInOrder();
        lines.ShouldAllBe(l => l.Body.GetProperty("line").GetString()!.Length > 0 && l.Disputed == DisputeState.None && l.Origin == new MaterialOrigin(host.Store.MachineId, 1));
        channel.FirstFrameAt.ShouldBe(lines[0].TimeUtc);
        channel.LastFrameAt!.Value.ShouldBeGreaterThanOrEqualTo(lines[^1].TimeUtc);
        (await host.RecordsAsync("metadata", "&channelId=text-1")).Items.ShouldNotBeEmpty();
    }

    [Fact]
    public async Task TextChannel_Killed_KeepsEveryConfirmedLine()
    {
        await using var first = await RecorderHost.StartSeededAsync();
        await first.PassAsync(TimeSpan.FromSeconds(5));
        var before = (await first.RecordsAsync("text")).Items;
        await using var host = await first.StartAfterKillAsync();

        (await host.RecordsAsync("text")).Items.Select(l => l.Id).ShouldBe(before.Select(l => l.Id));
    }

    [Fact]
    public async Task AuthorityEnd_OfATextChannel_SettlesItsLines()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.PassAsync(TimeSpan.FromSeconds(10));
        var sequence = (await host.RecordsAsync("text")).End!.ChangeSequence;
        var end = host.Time.GetUtcNow().AddSeconds(-4);

        await host.StopRecordingAsync(2, ends: new Dictionary<string, DateTimeOffset> { ["text-1"] = end });

        var lines = (await host.RecordsAsync("text")).Items;
        lines.ShouldAllBe(l => l.Disputed == (l.TimeUtc < end ? DisputeState.None : DisputeState.Disputed));
        lines.ShouldContain(l => l.Disputed == DisputeState.Disputed);
        (await host.RecordsAsync("text", $"&changedAfter={sequence}")).Items.ShouldAllBe(l => l.TimeUtc >= end);
    }

    [Fact]
    public void Generator_OfTwoRecorders_GivesTheSameAlarmsAndAnalytics()
    {
        var start = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
        List<RecordRow> Hour(string machine) => [.. Enumerable.Range(0, 3600).SelectMany(n => RecordGenerator.At(Camera, machine, start.AddSeconds(n), RecordPace.Quiet))];

        var one = Hour("11111111");
        var other = Hour("22222222");

        other.Select(r => (r.Id, r.Revision, r.Sha256)).ShouldBe(one.Select(r => (r.Id, r.Revision, r.Sha256)));
        one.Select(r => r.Kind).Distinct().ShouldBe([RecordKind.Metadata, RecordKind.Anpr, RecordKind.Alarms], ignoreOrder: true);
        one.ShouldAllBe(r => RecordRules.Reject(r) == null);
        var alarms = one.Where(r => r.Kind == RecordKind.Alarms).GroupBy(r => r.Id).ToList();
        alarms.Count.ShouldBeInRange(10, 60);
        alarms.ShouldContain(a => a.Count() == 3);
        alarms.Where(a => a.First().Revision == 1).ShouldAllBe(a => a.Select(r => r.Revision).SequenceEqual(Enumerable.Range(1, a.Count()).Select(n => (long)n)));
    }

    [Fact]
    public void Generator_OfABusySite_HasEveryKindWithinHalfAMinute()
    {
        var start = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
        for (var minute = 0; minute < 60; minute++)
        {
            var records = Enumerable.Range(0, 30).SelectMany(n => RecordGenerator.At(Camera, "11111111", start.AddMinutes(minute).AddSeconds(n), RecordPace.Busy)).ToList();

            records.Select(r => r.Kind).Distinct().ShouldBe([RecordKind.Metadata, RecordKind.Anpr, RecordKind.Alarms], ignoreOrder: true);
            records.ShouldAllBe(r => RecordRules.Reject(r) == null);
        }
    }

    [Fact]
    public async Task Alarm_AcknowledgedByAnOperator_StaysSoWhenItCloses()
    {
        await using var host = await RecorderHost.StartAsync();
        var states = Enumerable.Range(0, 7200).SelectMany(n => RecordGenerator.At(Camera, "11111111", host.Time.GetUtcNow().AddSeconds(n), RecordPace.Quiet))
            .Where(r => r.Kind == RecordKind.Alarms).GroupBy(r => r.Id).First(g => g.Count() == 2 && g.First().Revision == 1).ToList();
        var operators = RecordRow.Make(
            states[0].Id, RecordKind.Alarms, "vms-1", "video-1", states[0].Time, null, 2, DisputeState.None, states[0].Origin,
            CanonicalJson.Text(RecorderHost.Json("""{"state":"acknowledged","ackBy":"anna","ackUtc":"2026-03-01T12:00:00Z","text":"Seen"}""")));

        await host.Store.WriteAsync(
            sql =>
            {
                using var import = new RecordImport(sql);
                import.Record(states[0]);
                import.Add(operators);
                import.Record(states[1]);
                import.Record(states[1]);
                return true;
            },
            default);

        var stored = host.Store.Read(sql => RecordStore.Find(sql, "vms-1", RecordKind.Alarms, states[0].Id))!.ToRecord();
        stored.Revision.ShouldBe(3);
        stored.ToUtc.ShouldBe(states[1].To);
        stored.Body.GetProperty("state").GetString().ShouldBe("closed");
        stored.Body.GetProperty("ackBy").GetString().ShouldBe("anna");
        stored.Body.GetProperty("text").GetString().ShouldBe("Seen");
    }
}
