using System.Text.Json;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Testing.Material;
using FailbackWorkflows.Testing.Processes;
using Shouldly;

namespace FailbackWorkflows.Scenarios;

/// <summary>What must hold when copies of material have ended: I1 to I6 of the failure scenarios, read from the recorders' lists and the manager's log.</summary>
internal static class CopyInvariants
{
    private static readonly TimeSpan Resolution = TimeSpan.FromMilliseconds(1);
    private static readonly DateTimeOffset Long = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>What a recorder lists of every audio and video track of an identity, by channel; of side archives too.</summary>
    public static async Task<ILookup<string, Segment>> ListAsync(RecorderProcess recorder, string identity)
    {
        var tracks = await DirectCopy.ReadAsync<TrackList>(recorder, $"v1/tracks?identity={identity}");
        var all = new List<(string Channel, Segment Segment)>();
        foreach (var track in tracks.Items)
        {
            var channel = track.Id[(identity.Length + 1)..];
            all.AddRange((await MaterialManifest.ListSegmentsAsync(recorder, identity, channel, Long, Long.AddYears(100))).Select(s => (track.ChannelId, s)));
        }

        return all.ToLookup(s => s.Channel, s => s.Segment, StringComparer.Ordinal);
    }

    /// <param name="source">The recorder that had the duty during the failover.</param>
    /// <param name="target">The identity's own recorder.</param>
    /// <param name="held">What the source listed when the failback was done.</param>
    /// <param name="before">What the target listed then.</param>
    public static async Task AssertAsync(
        Site site, string entryId, RecorderProcess source, RecorderProcess target, ILookup<string, Segment> held, ILookup<string, Segment> before)
    {
        var entry = await site.Server.GetEntryAsync(entryId);
        var identity = entry.FailedServerId;
        var report = (await site.Server.GetAsync($"api/v1/failover-log/{entryId}/material-copy/coverage")).Text is var text ? JsonSerializer.Deserialize<CoverageReport>(text, RecorderJson.Options)! : null!;
        var (there, here) = (await ListAsync(source, identity), await ListAsync(target, identity));
        foreach (var channel in held.Concat(before).Select(c => c.Key).Distinct(StringComparer.Ordinal))
        {
            held[channel].Where(s => !s.Growing).Select(s => s.Id).Except(there[channel].Select(s => s.Id)).ShouldBeEmpty($"I1: {source.Id} has lost what it owed");
            MaterialInvariants.Uncovered(channel, held[channel], before[channel].Where(s => !s.Growing), here[channel], report, Resolution).ShouldBeEmpty("I3");

            // Two recorders may have recorded the same moments around a switch; one recorder never twice.
            foreach (var origin in here[channel].GroupBy(s => s.Origin.RecorderId))
            {
                MaterialInvariants.UnmarkedOverlaps(origin, _ => false, Resolution).ShouldBeEmpty($"I4, of what {origin.Key} recorded");
            }

            here[channel].Select(s => s.Id).ShouldBeUnique();
        }

        await OneHolderAsync(site, identity);
        await LogIsCompleteAsync(site, entry);
        foreach (var recorder in await site.ListAnsweringAsync())
        {
            (await recorder.ListCommandsAsync()).ShouldAllBe(c => c.EffectCount <= 1, "I6");
        }
    }

    /// <summary>I2: at most one recorder has the duty under the largest epoch that anybody knows.</summary>
    private static async Task OneHolderAsync(Site site, string identity)
    {
        var duties = new List<DutyState>();
        foreach (var recorder in await site.ListAnsweringAsync())
        {
            if (await recorder.FindDutyAsync(identity) is { } duty)
            {
                duties.Add(duty);
            }
        }

        duties.Count(d => d.Epoch == duties.Max(o => o.Epoch) && d.Role == DutyRole.Recorder).ShouldBeLessThanOrEqualTo(1, "I2");
    }

    /// <summary>I5: the runs that changed the entry say who, when and why, without a hole in their journals.</summary>
    private static async Task LogIsCompleteAsync(Site site, FailoverLogEntry entry)
    {
        var copy = (await site.Server.GetAsync($"api/v1/failover-log/{entry.Id}/material-copy")).Json!;
        var copyRun = ((string)copy["links"]!["run"]!).Split('/')[^1];
        foreach (var runId in new[] { entry.FailoverRunId!, entry.FailbackRunId!, Uri.UnescapeDataString(copyRun) })
        {
            (await site.Server.GetRunAsync(runId)).StartedBy.Name.ShouldNotBeNullOrWhiteSpace();
            var journal = await site.Server.ListJournalAsync(runId);
            journal.ShouldNotBeEmpty();
            journal.Select(e => (long)e["sequence"]!).ShouldBe(Enumerable.Range(1, journal.Count).Select(n => (long)n));
        }
    }
}
