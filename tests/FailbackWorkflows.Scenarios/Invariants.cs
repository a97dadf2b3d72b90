using System.Globalization;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.Testing.Processes;
using Shouldly;

namespace FailbackWorkflows.Scenarios;

/// <summary>What must hold after every scenario, whatever happened in it: I1, I2, I4, I5 and I6 of the failure scenarios; I3 is about material copies.</summary>
internal static class Invariants
{
    /// <param name="reason">What the run's journal must give as its reason; null: whatever a run that started by itself says.</param>
    public static async Task AssertAsync(Site site, string? runId = null, string? reason = "scenario")
    {
        await HeldMaterialIsThereAsync(site);
        await OneHolderOfTheCurrentEpochAsync(site);
        await MaterialIsNotDoubledAsync(site);
        if (runId is not null)
        {
            await EveryChangeHasItsEntryAsync(site, runId, reason);
            await EveryCommandTookEffectOnceAsync(site, runId);
        }
    }

    /// <summary>The end of a failback that went well, seen at the recorders, in the registry, in the log and in the feed.</summary>
    public static async Task AssertFailedBackAsync(Site site, string entryId, string runId, string settingsSha256)
    {
        var run = await site.Server.GetRunAsync(runId);
        run.Result.ShouldBe("done", run.Message);
        run.Steps.Where(s => s.Number is not null).Select(s => (s.Number, s.State)).ShouldBe(
            Enumerable.Range(1, 11).Select(n => ((int?)n, FailbackWorkflows.Failback.Runs.RunStepState.Done)));
        var entry = await site.Server.GetEntryAsync(entryId);
        entry.Failover.ShouldBe(FailoverState.Done);
        entry.Failback.ShouldBe(FailbackState.Done);
        entry.FailbackRunId.ShouldBe(runId);
        entry.AuthorityEnds.ShouldNotBeNull();

        var main = await site.Main.FindDutyAsync(Site.MainId);
        main.ShouldNotBeNull();
        main.Role.ShouldBe(DutyRole.Recorder);
        main.Recording.ShouldBeTrue();
        main.Disputed.ShouldBeFalse();
        var standby = await site.Standby.FindDutyAsync(Site.MainId);
        standby.ShouldNotBeNull();
        standby.Role.ShouldBe(DutyRole.FailoverServer);
        standby.Recording.ShouldBeFalse();
        standby.Epoch.ShouldBe(main.Epoch);

        var atMain = await site.Main.GetSettingsAsync(Site.MainId);
        atMain.Sha256.ShouldBe(settingsSha256);
        atMain.Frozen.ShouldBeFalse();
        (await site.Standby.GetSettingsAsync(Site.MainId)).Frozen.ShouldBeFalse();

        var hold = await site.Standby.GetHoldAsync(entryId);
        hold.ToUtc.ShouldNotBeNull();
        (await site.Server.ListChangesAsync()).ShouldContain(c => (string?)c["kind"] == "systemChange");
        await AssertAsync(site, runId);
    }

    /// <summary>The failover server has the duty, records, and may be changed; main stands by.</summary>
    public static async Task AssertStandbyRecordsOnAsync(Site site, string entryId)
    {
        var standby = await site.Standby.FindDutyAsync(Site.MainId);
        standby.ShouldNotBeNull();
        standby.Role.ShouldBe(DutyRole.Recorder);
        standby.Recording.ShouldBeTrue();
        (await site.Standby.GetSettingsAsync(Site.MainId)).Frozen.ShouldBeFalse();
        (await site.Standby.GetHoldAsync(entryId)).ToUtc.ShouldBeNull();
        await AssertAsync(site);
    }

    /// <summary>I1: what was recorded during the failover is still at the failover server, on every channel, as long as its hold is there.</summary>
    private static async Task HeldMaterialIsThereAsync(Site site)
    {
        var answering = await site.ListAnsweringAsync();
        if (!answering.Contains(site.Standby) || await site.Standby.FindHoldAsync(Site.MainId) is not { } hold)
        {
            return;
        }

        var segments = await SegmentsAsync(site.Standby, Site.MainId);
        foreach (var channel in (await site.Standby.GetRecordingAsync(Site.MainId)).Channels.Where(c => c.Enabled && c.Required))
        {
            segments.ShouldContain(s => s.Track == $"{Site.MainId}~{channel.ChannelId}" && s.To > hold.FromUtc && s.Bytes > 0, $"nothing of {channel.ChannelId} is left of the failover period");
        }
    }

    /// <summary>I2: at most one recorder has the role recorder under the largest epoch anybody knows, and records without dispute.</summary>
    private static async Task OneHolderOfTheCurrentEpochAsync(Site site)
    {
        var duties = new List<DutyState>();
        foreach (var recorder in await site.ListAnsweringAsync())
        {
            if (await recorder.FindDutyAsync(Site.MainId) is { } duty)
            {
                duties.Add(duty);
            }
        }

        var current = duties.Max(d => d.Epoch);
        duties.Count(d => d.Epoch == current && d.Role == DutyRole.Recorder).ShouldBeLessThanOrEqualTo(1);
    }

    /// <summary>
    /// I4, per recorder: segments of a track do not overlap, but for a copied one that is marked so. A failback queues a copy, so by now material
    /// of the overlap between the two servers may be home. (I3 is about material copies.)
    /// </summary>
    private static async Task MaterialIsNotDoubledAsync(Site site)
    {
        foreach (var recorder in await site.ListAnsweringAsync())
        {
            foreach (var track in (await SegmentsAsync(recorder, Site.MainId)).GroupBy(s => s.Track))
            {
                var inOrder = track.Where(s => !s.IsMarked).OrderBy(s => s.From).ToList();
                track.Where(s => s.IsMarked).ShouldAllBe(m => inOrder.Any(s => s.From < m.To && m.From < s.To), "a mark is not put on what overlaps nothing");
                for (var i = 1; i < inOrder.Count; i++)
                {
                    inOrder[i].From.ShouldBeGreaterThanOrEqualTo(inOrder[i - 1].To, $"{inOrder[i].Id} overlaps {inOrder[i - 1].Id} at {recorder.Id}");
                }
            }
        }
    }

    /// <summary>I5: who, what, when and why of every change is in the run's journal.</summary>
    private static async Task EveryChangeHasItsEntryAsync(Site site, string runId, string? reason)
    {
        var run = await site.Server.GetRunAsync(runId);
        run.StartedBy.Name.ShouldNotBeNullOrWhiteSpace();
        run.Reason.ShouldNotBeNullOrWhiteSpace();
        run.Reason.ShouldBe(reason ?? run.Reason);

        var journal = await site.Server.ListJournalAsync(runId);
        journal.Select(e => (long)e["sequence"]!).ShouldBe(Enumerable.Range(1, journal.Count).Select(n => (long)n));
    }

    /// <summary>I6: each command of the run took effect once at most, by the recorders' own record.</summary>
    private static async Task EveryCommandTookEffectOnceAsync(Site site, string runId)
    {
        foreach (var recorder in await site.ListAnsweringAsync())
        {
            foreach (var command in await recorder.ListCommandsAsync(runId))
            {
                command.EffectCount.ShouldBeLessThanOrEqualTo(1, $"{command.Method} {command.Path} at {recorder.Id}");
            }
        }
    }

    private static async Task<List<Segment>> SegmentsAsync(RecorderProcess recorder, string identity)
    {
        var segments = new List<Segment>();
        if (await recorder.FindDutyAsync(identity) is null or { Epoch: 0 })
        {
            return segments;
        }

        foreach (var channel in (await recorder.GetRecordingAsync(identity)).Channels)
        {
            if (channel.Kind == ChannelKind.Text)
            {
                // Text has records and no segments; a line is an instant.
                segments.AddRange((await recorder.ListRecordsAsync("text", identity, channel.ChannelId)).Select(r => new Segment(
                    (string)r["id"]!, $"{identity}~{channel.ChannelId}", Instant(r["timeUtc"]!), Instant(r["timeUtc"]!), r["body"]!.ToJsonString().Length, false)));
                continue;
            }

            segments.AddRange((await recorder.ListSegmentsAsync(identity, channel.ChannelId)).Select(s => new Segment(
                (string)s!["id"]!, (string)s["trackId"]!, Instant(s["from"]!), Instant(s["to"]!), (long)s["bytes"]!, (bool)s["overlaps"]!)));
        }

        return segments;
    }

    private static DateTimeOffset Instant(System.Text.Json.Nodes.JsonNode node) => DateTimeOffset.Parse((string)node!, CultureInfo.InvariantCulture);

    private sealed record Segment(string Id, string Track, DateTimeOffset From, DateTimeOffset To, long Bytes, bool IsMarked);
}
