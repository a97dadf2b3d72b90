using System.Collections.Concurrent;
using System.Globalization;
using FailbackWorkflows.Testing.Engine;
using Shouldly;
using Xunit.Abstractions;

namespace FailbackWorkflows.Persistence.Tests.CrashPoints;

/// <summary>A death of the management server.</summary>
/// <param name="Write">At which durable write, from 1.</param>
internal sealed record CrashPoint(CrashMoment Moment, int Write);

/// <summary>What came of it.</summary>
/// <param name="Died">False: it wrote less than that this time, and lived on.</param>
/// <param name="Writes">Durable writes until it died or had nothing left to do.</param>
/// <param name="Differences">To how it comes out undisturbed.</param>
internal sealed record CrashResult(bool Died, int Writes, IReadOnlyList<string> Differences);

/// <summary>
/// Tries the deaths at every durable write, side by side. Which of them is a matter of <c>FAILBACK_CRASH_POINTS</c>: <c>full</c>, or at most so many of each sweep; the
/// seed of such a choice is printed and can be given as <c>FAILBACK_SOAK_SEED</c>.
/// </summary>
internal static class CrashSweep
{
    /// <summary>Tries of a point whose process outlives it: how often a run looks at a recorder, say, depends on what wakes it first.</summary>
    private const int MostTries = 5;

    private static readonly CrashMoment[] Moments = [CrashMoment.BeforeCommit, CrashMoment.AfterCommit, CrashMoment.Acknowledged];

    /// <summary>How many deaths that makes.</summary>
    public static int PointsOf(int writes) => writes * Moments.Length;

    /// <param name="writes">Durable writes of what is swept, when nobody dies.</param>
    /// <param name="usualSample">Points that are tried when nobody says how many; null: all.</param>
    /// <param name="leastDied">
    /// Share of the points whose process has to die there, but for one point: how many share a transaction, or how often something is looked at, is a matter of chance,
    /// and so is whether the last write counted undisturbed happens again.
    /// </param>
    public static async Task TryAsync(int writes, int? usualSample, Func<CrashPoint, Task<CrashResult>> kill, ITestOutputHelper output, double leastDied = 0.95)
    {
        var all = Enumerable.Range(1, writes).SelectMany(write => Moments.Select(moment => new CrashPoint(moment, write))).ToArray();
        var tried = Choose(all, usualSample, output);
        var failures = new ConcurrentQueue<string>();
        var outlived = new ConcurrentQueue<CrashPoint>();
        await Parallel.ForEachAsync(
            tried,
            new ParallelOptions { MaxDegreeOfParallelism = 2 * Environment.ProcessorCount },
            async (point, _) =>
            {
                try
                {
                    if (!await TryAsync(point, kill, failures))
                    {
                        outlived.Enqueue(point);
                    }
                }
                catch (Exception exception)
                {
                    failures.Enqueue($"{point}: {exception}");
                }
            });

        output.WriteLine($"{writes} durable writes, {all.Length} crash points, {tried.Count} of them tried");
        failures.ShouldBeEmpty();
        outlived.Count.ShouldBeLessThanOrEqualTo(Math.Max(1, (int)(tried.Count * (1 - leastDied))), $"the process never wrote so much again: {string.Join(", ", outlived)}");
    }

    /// <summary>False: it outlived every try.</summary>
    private static async Task<bool> TryAsync(CrashPoint point, Func<CrashPoint, Task<CrashResult>> kill, ConcurrentQueue<string> failures)
    {
        for (var attempt = 0; attempt < MostTries; attempt++)
        {
            var result = await kill(point);
            if (result.Differences.Count > 0)
            {
                failures.Enqueue($"{point}:{Environment.NewLine}  {string.Join($"{Environment.NewLine}  ", result.Differences)}");
                return true;
            }

            if (result.Died)
            {
                return true;
            }

            if (result.Writes >= point.Write)
            {
                failures.Enqueue($"{point}: it wrote {result.Writes} times and was not killed");
                return true;
            }
        }

        return false;
    }

    private static IReadOnlyList<CrashPoint> Choose(CrashPoint[] all, int? usualSample, ITestOutputHelper output)
    {
        var asked = Environment.GetEnvironmentVariable("FAILBACK_CRASH_POINTS");
        var sample = asked == "full" ? null : int.TryParse(asked, CultureInfo.InvariantCulture, out var number) ? number : usualSample;
        if (sample is not { } most || most >= all.Length)
        {
            return all;
        }

        var seed = int.TryParse(Environment.GetEnvironmentVariable("FAILBACK_SOAK_SEED"), CultureInfo.InvariantCulture, out var given) ? given : Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        new Random(seed).Shuffle(all);
        return all[..most];
    }
}
