using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// Scenario 26, second half: a recorder has carried out a command and its answer never gets into the manager's log, because the manager is
/// killed in between. Once restarted it asks again under the same key; the recorder's own record shows that the command took effect once.
/// </summary>
public sealed class S26_When_the_manager_is_killed_before_it_notes_an_answer
{
    private static readonly TimeSpan LongerThanTheTest = TimeSpan.FromMinutes(5);

    /// <summary>What changes who records.</summary>
    private static readonly (string Recorder, string Method, string Path)[] Switching =
    [
        ("main", "POST", "/v1/duties/vms-1/config/staged/*"),
        ("main", "PUT", "/v1/duties/vms-1"),
        ("standby", "POST", "/v1/recording:stop"),
        ("standby", "PUT", "/v1/duties/vms-1"),
    ];

    private static readonly (string Recorder, string Method, string Path)[] Others =
    [
        ("main", "POST", "/v1/duties/vms-1/config/staged"),
        ("standby", "POST", "/v1/duties/vms-1/config:freeze"),
        ("main", "POST", "/v1/recording:start"),
        ("standby", "PUT", "/v1/retention-holds/*"),
        ("standby", "POST", "/v1/duties/vms-1/config:unfreeze"),
    ];

    public static TheoryData<string, string, string> Commands
    {
        get
        {
            var rows = new TheoryData<string, string, string>();
            foreach (var (recorder, method, path) in Cases.AreAll ? [.. Switching, .. Others] : Switching)
            {
                rows.Add(recorder, method, path);
            }

            return rows;
        }
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task Killed_between_effect_and_commit_the_command_takes_effect_once(string recorderName, string method, string path)
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        var settings = await site.Standby.GetSettingsAsync(Site.MainId);
        var recorder = recorderName == "main" ? site.Main : site.Standby;
        await recorder.HoldAnswerAsync(method, path, LongerThanTheTest);

        var runId = await site.StartFailbackAsync(entryId);
        var held = await Eventually.GetAsync(
            $"{method} {path} took effect",
            async () => (await recorder.ListCommandsAsync(runId)).FirstOrDefault(c => c.Method == method && Matches(c.Path, path)),
            command => command is not null);
        await site.Server.KillAsync();
        await recorder.ForgetFaultsAsync();
        await site.Server.StartAsync();

        await site.WaitForEndAsync(runId);
        await Invariants.AssertFailedBackAsync(site, entryId, runId, settings.Sha256);
        var again = (await recorder.ListCommandsAsync(runId)).Single(c => c.Key == held!.Key);
        again.EffectCount.ShouldBe(1);

        // What became of a hold is read before it is told anything; every other command is asked again.
        again.Replays.ShouldBeGreaterThanOrEqualTo(method == "PUT" && path.StartsWith("/v1/retention-holds", StringComparison.Ordinal) ? 0 : 1, "the restarted manager must have asked again under the same key");
        (await recorder.ListCommandsAsync(runId)).Count(c => c.Method == method && Matches(c.Path, path)).ShouldBe(1);
    }

    private static bool Matches(string path, string pattern) => pattern.EndsWith('*') ? path.StartsWith(pattern[..^1], StringComparison.Ordinal) : path == pattern;
}
