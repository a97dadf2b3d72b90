using System.Text.RegularExpressions;
using FailbackWorkflows.Server.Hosting;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Deployment;

/// <summary>What docs/deployment.md promises to tell of, it tells of.</summary>
public sealed partial class DocumentTests
{
    private static readonly string Document = File.ReadAllText(RepositoryFiles.PathOf("docs", "deployment.md"));

    [Fact]
    public void EveryMetric_IsInTheDocument()
    {
        var metrics = Sources().SelectMany(source => Instrument().Matches(source)).Select(m => m.Groups[1].Value).Distinct().ToList();

        metrics.Count.ShouldBeGreaterThanOrEqualTo(13);
        metrics.Where(m => !Document.Contains($"`{m}`")).ShouldBeEmpty();
    }

    [Fact]
    public void EveryLabel_IsInTheDocument() =>
        Sources().SelectMany(source => Label().Matches(source)).Select(m => m.Groups[1].Value).Distinct().Where(l => !Document.Contains($"`{l}`")).ShouldBeEmpty();

    [Fact]
    public void EverySetting_IsInTheDocument() =>
        typeof(ServerOptions).GetProperties().Select(p => $"Failback:{p.Name}").Where(s => !Document.Contains($"`{s}`")).ShouldBeEmpty();

    [Theory]
    [InlineData("failback-management-server.service", "FailbackWorkflows.Server")]
    [InlineData("failback-recorder@.service", "FailbackWorkflows.ReferenceRecorder")]
    public void Unit_StartsOurProgram_AndIsHardened(string unit, string project)
    {
        var lines = File.ReadAllLines(RepositoryFiles.PathOf("eng", "systemd", unit));

        lines.ShouldContain(l => l.StartsWith("ExecStart=/usr/bin/dotnet /opt/failback/") && l.Contains($"/{project}.dll "));
        foreach (var line in new[] { "NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "PrivateDevices=yes", "CapabilityBoundingSet=", "UMask=0077" })
        {
            lines.ShouldContain(line);
        }

        lines.ShouldNotContain(l => l.StartsWith("User=root") || l.Contains("MemoryDenyWriteExecute=yes"), "the runtime compiles while it runs");
        Document.ShouldContain(unit);
    }

    private static IEnumerable<string> Sources() => Directory.EnumerateFiles(RepositoryFiles.PathOf("src"), "*.cs", SearchOption.AllDirectories)
        .Where(f => !f.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}"))
        .Select(File.ReadAllText);

    [GeneratedRegex("(?:Create(?:Counter|UpDownCounter|Histogram)(?:<[a-z]+>)?|Gauge)\\(\"([a-z_.]+)\"")]
    private static partial Regex Instrument();

    [GeneratedRegex("(?:SetTag\\(|KeyValuePair<string, object\\?>\\(|WorkflowTag = )\"([a-z_.]+)\"")]
    private static partial Regex Label();
}
