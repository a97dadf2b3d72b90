using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;
using FailbackWorkflows.Testing;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder.MaterialCopy;

/// <summary>The limit holds over 10 s and follows a change within a second.</summary>
public sealed class BandwidthLimitTests
{
    // Scenario 52.
    [Fact]
    public async Task TheRate_HoldsWithinATenth_AndFollowsAChangeWithinASecond()
    {
        var time = new FakeTimeProvider();
        var limit = new BandwidthLimit(time) { BytesPerSecond = 1_000_000 };
        (await PassAsync(limit, time, TimeSpan.FromSeconds(10))).ShouldBe(10_000_000, 1_000_000);
        limit.BytesPerSecond = 100_000;
        await PassAsync(limit, time, TimeSpan.FromSeconds(1));
        (await PassAsync(limit, time, TimeSpan.FromSeconds(10))).ShouldBe(1_000_000, 100_000);
        limit.BytesPerSecond = null;
        limit.TakeAsync(long.MaxValue / 2, default).IsCompletedSuccessfully.ShouldBeTrue();
    }

    private static async Task<double> PassAsync(BandwidthLimit limit, FakeTimeProvider time, TimeSpan length)
    {
        const int piece = 20_000;
        double taken = 0;
        for (var end = time.GetUtcNow() + length; time.GetUtcNow() < end; taken += piece)
        {
            var wait = limit.TakeAsync(piece, default);
            while (!wait.IsCompleted)
            {
                time.Advance(TimeSpan.FromMilliseconds(5));
                await Task.Yield();
            }
        }

        return taken;
    }
}
