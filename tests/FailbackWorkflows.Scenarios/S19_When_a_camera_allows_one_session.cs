using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// Scenario 19: the camera of a channel refuses a second session. The failover server lets go of it, the failed server, which tries again and again, gets it, and the time
/// nobody recorded it is told; the other cameras are recorded throughout.
/// </summary>
public sealed class S19_When_a_camera_allows_one_session
{
    [Fact]
    public async Task It_is_handed_over_and_its_gap_is_listed()
    {
        var cameras = Directory.CreateTempSubdirectory("failback-cameras-");
        try
        {
            await using var site = await Site.StartAsync(recorderOptions: new Dictionary<string, string> { ["cameras"] = cameras.FullName });
            var changed = await site.Main.ChangeSettingsAsync(Site.MainId, content => content["channels"]![0]!["singleSession"] = true);
            await Eventually.HoldsAsync(
                "the settings cache has seen it",
                async () => (await site.Server.GetAsync($"api/v1/servers/{Site.MainId}/settings/history")).Json!["items"]!.AsArray().Any(i => (string?)i!["sha256"] == changed.Sha256));
            var entryId = await site.FailOverAsync();
            await site.ReturnMainAsync();
            var channel = (string)(await site.Standby.GetSettingsAsync(Site.MainId)).Content.Channels[0].GetProperty("id").GetString()!;
            await Eventually.HoldsAsync("the failover server has the camera", async () => (await site.Standby.GetRecordingAsync(Site.MainId)).Channels.Single(c => c.ChannelId == channel).FirstFrameAt is not null);

            var run = await site.FailBackAsync(entryId);

            await Invariants.AssertFailedBackAsync(site, entryId, run.RunId, changed.Sha256);
            (await site.Standby.ListCommandsAsync(run.RunId)).Where(c => c.Path.EndsWith(":release", StringComparison.Ordinal)).ShouldHaveSingleItem().EffectCount.ShouldBe(1);
            run.Alarms.ShouldContain(a => a.Text.Contains($"nobody recorded them for a moment: {channel} ", StringComparison.Ordinal));
            var recording = await site.Main.GetRecordingAsync(Site.MainId);
            recording.Channels.Where(c => c.Required).ShouldAllBe(c => c.Recording && c.FirstFrameAt != null && c.Problem == null);
            var entry = await site.Server.GetEntryAsync(entryId);
            (entry.AuthorityEnds![channel] - entry.LastTimes![channel]).ShouldBeInRange(TimeSpan.Zero, TimeSpan.FromSeconds(20), "it changed hands");
            foreach (var other in recording.Channels.Where(c => c.Required && c.Kind != ChannelKind.Text && c.ChannelId != channel))
            {
                entry.LastTimes[other.ChannelId].ShouldBeGreaterThanOrEqualTo(entry.AuthorityEnds[other.ChannelId], $"{other.ChannelId} was recorded throughout");
            }
        }
        finally
        {
            cameras.Delete(recursive: true);
        }
    }
}
