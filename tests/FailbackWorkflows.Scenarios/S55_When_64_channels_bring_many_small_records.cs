using System.Diagnostics;
using System.Globalization;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;
using Xunit.Abstractions;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// Scenario 55: 64 channels with 40,000 small records each. Neither recorder may ever need more than 256 MB, however many there are, because
/// they are streamed. <c>FAILBACK_RECORDS_SCALE</c> takes a part of the counts (default 0.01; 1 is all of them).
/// </summary>
public sealed class S55_When_64_channels_bring_many_small_records(ITestOutputHelper output)
{
    private const int Channels = 64;
    private const long MostBytes = 256_000_000;

    private static readonly double Scale =
        double.TryParse(Environment.GetEnvironmentVariable("FAILBACK_RECORDS_SCALE"), CultureInfo.InvariantCulture, out var scale) ? scale : 0.01;

    private static readonly IReadOnlyList<string> Videos = [.. Enumerable.Range(1, Channels).Select(n => $"video-{n}")];

    [Fact]
    public async Task Memory_stays_within_its_limit_at_both_ends()
    {
        var perChannel = (int)Math.Round(40_000 * Scale);
        var folder = Directory.CreateTempSubdirectory("failback-records-").FullName;
        await using var source = new RecorderProcess(DirectCopy.Identity, Path.Combine(folder, "source"));
        await using var target = new RecorderProcess(DirectCopy.Identity, Path.Combine(folder, "target"));
        await Task.WhenAll(DirectCopy.StartQuietAsync(source, Channels), DirectCopy.StartQuietAsync(target, Channels));
        var from = await DirectCopy.YesterdayAsync(source);
        var to = from + TimeSpan.FromHours(1);
        using (var supply = new MaterialSupply(source, DirectCopy.Identity))
        {
            await supply.PutRecordsAsync("anpr", Videos, perChannel * Channels, from, to - from);
        }

        var began = Stopwatch.GetTimestamp();
        var task = await DirectCopy.RunAsync(source, target, source.BaseUrl, "records", from, to);
        var wall = Stopwatch.GetElapsedTime(began);
        var (atSource, atTarget) = (source.PeakResidentBytes(), target.PeakResidentBytes());
        output.WriteLine(FormattableString.Invariant(
            $"{task.RecordsDone} records in {wall.TotalSeconds:0.0} s; peak {atTarget / 1e6:0} MB at the target, {atSource / 1e6:0} MB at the source"));

        (task.State, task.RecordsDone).ShouldBe((CopyTaskState.Copied, perChannel * Channels), task.LastError);
        atTarget.ShouldBeLessThanOrEqualTo(MostBytes);
        atSource.ShouldBeLessThanOrEqualTo(MostBytes);
        var kinds = Videos.Select(v => ("anpr", v)).ToList();
        (await MaterialManifest.ReadAsync(target, DirectCopy.Identity, [], kinds, from, to)).ShouldBe(await MaterialManifest.ReadAsync(source, DirectCopy.Identity, [], kinds, from, to));
        var again = await DirectCopy.RunAsync(source, target, source.BaseUrl, "again", from, to);
        (again.State, again.RecordsDone).ShouldBe((CopyTaskState.NothingToCopy, 0));

        await source.KillAsync();
        await target.KillAsync();
        Directory.Delete(folder, recursive: true);
    }
}
