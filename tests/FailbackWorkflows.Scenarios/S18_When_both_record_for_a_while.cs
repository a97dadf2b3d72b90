using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Scenario 18: the two overlap so that there is no gap, not for long, and nothing is stored twice when the material is home.</summary>
public sealed class S18_When_both_record_for_a_while
{
    private static readonly TimeSpan MostOverlap = TimeSpan.FromSeconds(40);

    [Fact]
    public async Task The_overlap_has_an_end_and_leaves_neither_gap_nor_double()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;

        var run = await site.FailBackAsync(entryId);
        run.Result.ShouldBe("done", run.Message);
        var (held, before) = (await CopyInvariants.ListAsync(site.Standby, Site.MainId), await CopyInvariants.ListAsync(site.Main, Site.MainId));
        await Eventually.GetAsync("the material is home", () => site.Server.GetEntryAsync(entryId), e => e.MaterialCopy == MaterialCopyState.Copied, TimeSpan.FromMinutes(3));

        var entry = await site.Server.GetEntryAsync(entryId);
        var channels = (await site.Main.GetRecordingAsync(Site.MainId)).Channels.Where(c => c.Required && c.Kind != ChannelKind.Text).ToList();
        channels.ShouldNotBeEmpty();
        foreach (var channel in channels)
        {
            // One machine, one clock.
            (entry.LastTimes![channel.ChannelId] - entry.AuthorityEnds![channel.ChannelId]).ShouldBeInRange(TimeSpan.Zero, MostOverlap, channel.ChannelId);
            var reached = entry.AuthorityEnds[channel.ChannelId];
            foreach (var segment in (await site.Main.ListSegmentsAsync(Site.MainId, channel.ChannelId)).Where(s => (DateTimeOffset)s!["to"]! > reached).OrderBy(s => (DateTimeOffset)s!["from"]!).ToList())
            {
                ((DateTimeOffset)segment!["from"]!).ShouldBeLessThanOrEqualTo(reached + TimeSpan.FromMilliseconds(1), $"{channel.ChannelId}: no gap at the switch");
                reached = (DateTimeOffset)segment["to"]! > reached ? (DateTimeOffset)segment["to"]! : reached;
            }

            reached.ShouldBeGreaterThan(entry.LastTimes[channel.ChannelId]);
        }

        await CopyInvariants.AssertAsync(site, entryId, site.Standby, site.Main, held, before);
        await Invariants.AssertAsync(site, run.RunId);
    }
}
