using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Testing.Faults;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// Scenario 44: the failed server's store grows at its end only. What was recorded meanwhile comes home into a linked side archive, is verified there,
/// and is called what it is; the hold ends as after any verified copy. Killed in the middle, nothing comes twice; once more, nothing comes at all.
/// </summary>
public sealed class S44_When_the_store_takes_material_at_its_end_only
{
    private const int SegmentsBeforeTheKill = 6;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);
    private static readonly Dictionary<string, string> AppendOnly = new() { ["appendOnly"] = "true" };

    [Fact]
    public async Task The_material_is_kept_verified_and_played_in_a_side_archive()
    {
        await using var site = await Site.StartAsync(isRegistered: false, recorderOptions: AppendOnly);
        await using var link = await MaterialLink.StartAsync(site.Standby.BaseUrl);
        await site.RegisterAsync(site.Main);
        await site.RegisterAsync(site.Standby, link.BaseUrl);
        var entryId = await site.FailOverAsync();
        await site.ReturnMainAsync();
        await Eventually.HoldsAsync("there is something to bring home", async () => (await site.Standby.ListSegmentsAsync(Site.MainId, "video-1")).Count >= 5);

        var (caught, open) = Hold(link);
        var run = await site.FailBackAsync(entryId);
        run.Result.ShouldBe("done", run.Message);
        var held = await CopyInvariants.ListAsync(site.Standby, Site.MainId);
        var before = await CopyInvariants.ListAsync(site.Main, Site.MainId);
        await caught.WaitAsync(Patience);
        (await site.Standby.GetHoldAsync(entryId)).Release.ShouldBeNull("I1: held until it is home");

        await site.Main.KillAsync();
        open();
        MaterialManifest.TornFiles(site.Main).ShouldBeEmpty("what has its final name is whole");
        await site.Main.StartAsync();
        var entry = await Eventually.GetAsync("the copy has ended", () => site.Server.GetEntryAsync(entryId), e => e.MaterialCopy is MaterialCopyState.Copied or MaterialCopyState.CopiedWithLosses or MaterialCopyState.Failed, Patience);

        (entry.MaterialCopy, entry.OwesMaterial).ShouldBe((MaterialCopyState.Copied, false), entry.Message);
        entry.Message.ShouldNotBeNull().ShouldContain("in a side archive");
        await Eventually.HoldsAsync("the hold is released", async () => (await site.Standby.GetHoldAsync(entryId)).Release == HoldRelease.VerifiedCopy);
        await CopyInvariants.AssertAsync(site, entryId, site.Standby, site.Main, held, before);

        var report = await ReportAsync(site, entryId);
        await EverythingIsInTheArchiveOnceAsync(site, entryId, report);
        await ASegmentIsPlayedAsync(site, entryId, report);
        await OnceMoreNothingComesAsync(site, report);
    }

    /// <summary>Some segments pass; then all that come are held in their middle.</summary>
    private static (Task Caught, Action Open) Hold(MaterialLink link)
    {
        var caught = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var passed = 0;
        link.Middle = async request =>
        {
            if (request.SegmentId is not null && Interlocked.Increment(ref passed) > SegmentsBeforeTheKill)
            {
                caught.TrySetResult();
                await open.Task;
            }

            return false;
        };
        return (caught.Task, open.SetResult);
    }

    private static async Task EverythingIsInTheArchiveOnceAsync(Site site, string entryId, CoverageReport report)
    {
        (report.IsVerified, report.UsesSideArchive, report.Losses.Count).ShouldBe((true, true, 0));
        var machine = (await site.Main.GetStatusAsync()).Id;
        var copied = new List<string>();
        foreach (var track in report.Tracks.Where(t => t.Expected.Segments > 0))
        {
            // What the failed server recorded in the overlap is there; what came is in the archive, and none of it was put into the timeline.
            (track.Copied.Segments, track.Archived!.Segments + track.AlreadyThere.Segments, track.IsVerified).ShouldBe((0, track.Expected.Segments, true));
            track.ArchiveTrackIds.ShouldBe([$"{track.TrackId}~{entryId}"]);
            var archived = await ListAsync(site.Main, track.ArchiveTrackIds![0]);
            archived.Count.ShouldBe((int)track.Archived.Segments);
            archived.Select(s => s.Id).ShouldBeUnique();
            archived.ShouldAllBe(s => s.Origin.RecorderId == report.SourceRecorderId);
            copied.AddRange(archived.Select(s => s.Sha256!));
            (await ListAsync(site.Main, track.TrackId)).ShouldAllBe(s => s.Origin.RecorderId == machine);
            var there = await ListAsync(site.Standby, track.TrackId);
            archived.ShouldAllBe(s => there.Any(t => t.Id == s.Id && t.Sha256 == s.Sha256));
        }

        MaterialManifest.CopiedFiles(site.Main).ShouldBe(copied.Order(StringComparer.Ordinal), ignoreOrder: false, "every file has its row, and every row its file");
        report.Records.Where(r => r.Kind is RecordKind.Text or RecordKind.Metadata or RecordKind.Anpr).ShouldAllBe(r => r.Copied == 0 && r.IsVerified);
        report.Records.Where(r => r.Kind == RecordKind.Text).Sum(r => r.Archived).ShouldBeGreaterThan(0);
        report.Records.Where(r => r.Kind == RecordKind.Alarms).ShouldAllBe(r => r.Archived == 0);
        var archive = (await DirectCopy.ReadAsync<SideArchiveList>(site.Main, $"v1/archives?identity={Site.MainId}")).Items.ShouldHaveSingleItem();
        (archive.EntryId, archive.SourceRecorderIds.Single(), archive.Tracks.Sum(t => t.Segments)).ShouldBe((entryId, report.SourceRecorderId, copied.Count));
    }

    /// <summary>Through the management server, as an operator sees it.</summary>
    private static async Task ASegmentIsPlayedAsync(Site site, string entryId, CoverageReport report)
    {
        var track = report.Tracks.First(t => t.Kind == "video" && t.Archived is not null).ArchiveTrackIds![0];
        var list = await site.Server.GetAsync($"api/v1/failover-log/{entryId}/material-copy/tracks/{track}/segments?limit=5");
        list.Status.ShouldBe(HttpStatusCode.OK, list.Text);
        var item = list.Json!["items"]![0]!;
        var bytes = await site.Server.GetBytesAsync(((string)item["url"]!).TrimStart('/'));
        Convert.ToHexStringLower(SHA256.HashData(bytes)).ShouldBe((string?)item["sha256"]);
        (await site.Server.GetAsync($"api/v1/failover-log/{entryId}/material-copy/coverage?format=csv")).Text.ShouldContain(track);
    }

    /// <summary>Another task of the same source and periods: what is in the archive is found there.</summary>
    private static async Task OnceMoreNothingComesAsync(Site site, CoverageReport report)
    {
        var files = MaterialManifest.CopiedFiles(site.Main);
        var epoch = (await site.Main.FindDutyAsync(Site.MainId))!.Epoch;
        var first = (await site.Server.GetAsync($"api/v1/failover-log/{report.EntryId}/material-copy")).As<CopyAnswer>().Task;
        var definition = new StartDataCopy("again", report.EntryId, Site.MainId, report.SourceRecorderId, first.Period, first.ChannelPeriods, new CopyLimits(), WithDisputed: false, "Once more.");
        await DirectCopy.BeginAsync(site.Standby, site.Main, site.Standby.BaseUrl, definition, epoch);
        var again = await DirectCopy.UntilAsync(site.Main, "again", t => t.EndedAt is not null);
        (again.State, again.SegmentsDone, again.RecordsDone, again.BytesDone).ShouldBe((CopyTaskState.NothingToCopy, 0, 0, 0), again.LastError);
        MaterialManifest.CopiedFiles(site.Main).ShouldBe(files);
    }

    private sealed record CopyAnswer(CopyPeriods Task);

    private sealed record CopyPeriods(CopyPeriod Period, IReadOnlyList<CopyPeriod> ChannelPeriods);

    private static async Task<CoverageReport> ReportAsync(Site site, string entryId) =>
        JsonSerializer.Deserialize<CoverageReport>((await site.Server.GetAsync($"api/v1/failover-log/{entryId}/material-copy/coverage")).Text, RecorderJson.Options)!;

    private static async Task<IReadOnlyList<Segment>> ListAsync(RecorderProcess recorder, string trackId) =>
        (await DirectCopy.ReadAsync<SegmentPage>(recorder, $"v1/tracks/{trackId}/segments?limit=10000")).Items;
}
