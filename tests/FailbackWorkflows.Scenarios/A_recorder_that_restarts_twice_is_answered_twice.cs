using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Processes;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>A recorder waits for its role after every start; the poll must answer each of them, although nothing else has changed meanwhile.</summary>
public sealed class A_recorder_that_restarts_twice_is_answered_twice
{
    [Fact]
    public async Task It_records_on_with_authority_after_each_start()
    {
        await using var site = await Site.StartAsync();
        for (var start = 1; start <= 2; start++)
        {
            await site.Main.KillAsync();
            await site.Main.StartAsync();
            await Eventually.GetAsync(
                $"main is confirmed after start {start}",
                () => site.Main.FindDutyAsync(Site.MainId),
                duty => duty is { Role: DutyRole.Recorder, Recording: true, Disputed: false });
        }

        await Invariants.AssertAsync(site);
    }
}
