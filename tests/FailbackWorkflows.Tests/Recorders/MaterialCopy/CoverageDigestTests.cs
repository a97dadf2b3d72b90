using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.MaterialCopy;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Recorders.MaterialCopy;

public sealed class CoverageDigestTests
{
    private static readonly DateTimeOffset From = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private static readonly CoverageReport Report = new(
        "copy-1", "entry-1", "vms-1", "machine-2", "machine-1", new(null, From, From.AddMinutes(1)), true, false, TimeSpan.FromMilliseconds(12), null, From.AddHours(1),
        [new("vms-1~video-1", "video-1", "video", From, From.AddMinutes(1), new(3, 30), new(2, 20), new(0, 0), new(1, 10), new(0, 0), new(0, 0), new(2, 20), false, [new(From, From.AddMinutes(1), CoverageState.Copied, null)])],
        [],
        [new("video", "video-1", "s-1", From, From.AddSeconds(20), 10, "corruptAtSource")],
        null);

    [Fact]
    public void Digest_OfAReport_LeavesItsOwnMemberOut()
    {
        var digest = CoverageDigest.Compute(Report);

        digest.Length.ShouldBe(64);
        CoverageDigest.Compute(Report with { Sha256 = digest }).ShouldBe(digest);
    }

    [Fact]
    public void Digest_AfterTheTripOverTheWire_IsTheSame()
    {
        var arrived = JsonSerializer.Deserialize<CoverageReport>(JsonSerializer.Serialize(Report, RecorderJson.Options), RecorderJson.Options)!;

        CoverageDigest.Compute(arrived).ShouldBe(CoverageDigest.Compute(Report));
    }

    [Fact]
    public void Digest_OfAnotherContent_IsAnother() =>
        CoverageDigest.Compute(Report with { Losses = [] }).ShouldNotBe(CoverageDigest.Compute(Report));
}
