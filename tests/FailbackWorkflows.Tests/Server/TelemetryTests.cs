using System.Collections.Concurrent;
using System.Net;
using System.Text;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Server.Telemetry;
using FailbackWorkflows.Testing.Processes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Shouldly;
using Xunit;
using static FailbackWorkflows.Tests.Engine.Json;

namespace FailbackWorkflows.Tests.Server;

/// <summary>The whole server and a collector that takes OTLP over HTTP.</summary>
public sealed class TelemetryTests : IAsyncLifetime
{
    private readonly string folder = Path.Combine(Path.GetTempPath(), $"failback-telemetry-{Guid.NewGuid():N}");
    private readonly ConcurrentQueue<(string Path, string? ContentType, byte[] Body)> received = new();
    private WebApplication collector = null!;

    private string Collector => collector.Urls.Single();

    public async Task InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        collector = builder.Build();
        collector.Run(async context =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            received.Enqueue((context.Request.Path, context.Request.ContentType, body.ToArray()));
            context.Response.StatusCode = StatusCodes.Status200OK;
        });
        await collector.StartAsync();
    }

    public async Task DisposeAsync()
    {
        await collector.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [InlineData("--Failback:OtlpEndpoint")]
    [InlineData("--OTEL_EXPORTER_OTLP_ENDPOINT")]
    public async Task Export_SwitchedOn_ACollectorReceivesTracesAndMetrics(string setting)
    {
        var runId = await RunAsync(setting, Collector);

        received.ShouldAllBe(r => r.ContentType == "application/x-protobuf");
        var traces = received.Where(r => r.Path == "/v1/traces").Select(r => r.Body).ToList();
        traces.ShouldContain(body => Contains(body, "burst telemetry") && Contains(body, Convert.FromHexString(runId)), "the trace is the run's");
        traces.ShouldContain(body => Contains(body, "run telemetry"));
        traces.ShouldContain(body => Contains(body, "Elsa.WriteLine"));
        traces.ShouldContain(body => Contains(body, "failback-management-server") && Contains(body, "node-of-this-test"));
        var metrics = received.Where(r => r.Path == "/v1/metrics").Select(r => r.Body).ToList();
        foreach (var name in new[]
        {
            "workflow.run.started", "workflow.run.ended", "workflow.run.duration", "workflow.run.active", "workflow.step.duration", "workflow.commit.duration", "workflow.queue.depth",
            "failback.obligation.open", "failback.material.debt", "failback.copy.remaining", "failback.copy.rate", "dotnet.gc.collections",
        })
        {
            metrics.ShouldContain(body => Contains(body, name), name);
        }

        metrics.ShouldNotContain(body => Contains(body, runId), "no label names a run");
    }

    [Fact]
    public async Task Export_NotSwitchedOn_SendsNothing()
    {
        // What the exporter itself would heed.
        await RunAsync("--OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", $"{Collector}/v1/traces");

        received.ShouldBeEmpty();
    }

    [Fact]
    public async Task Gauges_TellWhatIsInTheDatabase()
    {
        await using var app = Build("--Failback:OtlpEndpoint", Collector);
        await app.StartAsync();
        using var seen = new FailbackWorkflows.Testing.Telemetry.Measurements(app.Services.GetRequiredService<System.Diagnostics.Metrics.IMeterFactory>());
        var gauges = app.Services.GetServices<IHostedService>().OfType<SiteGauges>().Single();
        await gauges.ReadAsync(CancellationToken.None);
        seen.Of("failback.material.debt")[^1].Value.ShouldBe(0);

        await app.Services.GetRequiredService<IDomainWriter>().ApplyAsync(
            [
                new SaveFailoverLogEntry(new FailoverLogEntry
                {
                    Id = "entry-1",
                    FailedServerId = "rec-1",
                    FailoverServerId = "rec-2",
                    Failover = FailoverState.Done,
                    FailoverStartedAt = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero),
                    StartedBy = "Administrator",
                }),
            ],
            CancellationToken.None);
        await gauges.ReadAsync(CancellationToken.None);

        seen.Of("failback.material.debt")[^1].Value.ShouldBe(1);
        seen.Of("failback.obligation.open")[^1].Value.ShouldBe(0);
        await app.StopAsync();
    }

    [Fact]
    public void Export_ToWhatIsNoAddress_IsRefusedAtTheStart() =>
        Should.Throw<Microsoft.Extensions.Options.OptionsValidationException>(() => Build("--Failback:OtlpEndpoint", "collector:4318").StartAsync())
            .Message.ShouldContain("Failback:OtlpEndpoint must be the address of a collector");

    private WebApplication Build(string setting, string value) => FailbackWorkflows.Server.Program.Build(
        [
            "--urls", "http://127.0.0.1:0",
            "--data", folder,
            "--FAILBACK_ADMIN_PASSWORD", "a long test password",
            "--Failback:Engine:Node", "node-of-this-test",
            "--Serilog:MinimumLevel:Default", "Warning",
            setting, value,
        ],
        null);

    /// <summary>A server that runs one small workflow and stops; the run's id.</summary>
    private async Task<string> RunAsync(string setting, string value)
    {
        await using var app = Build(setting, value);
        await app.StartAsync();
        await app.Services.GetRequiredService<WorkflowDefinitions>().PublishAsync(
            Workflow(Sequence("s", Activity("WriteLine", "say", ("text", Literal("hello")))), id: "telemetry"), "test", CancellationToken.None);
        var runtime = app.Services.GetRequiredService<IWorkflowRuntime>();
        var started = await runtime.StartAsync(new("telemetry", Actor.System), CancellationToken.None);
        await Eventually.GetAsync("the run ends", () => runtime.FindAsync(started.InstanceId, CancellationToken.None), run => run is { Status: WorkflowStatus.Finished });
        if (app.Services.GetServices<IHostedService>().OfType<SiteGauges>().SingleOrDefault() is { } gauges)
        {
            await gauges.ReadAsync(CancellationToken.None);
        }

        await app.StopAsync();
        return started.InstanceId;
    }

    private static bool Contains(byte[] body, string text) => Contains(body, Encoding.UTF8.GetBytes(text));

    private static bool Contains(byte[] body, byte[] bytes) => body.AsSpan().IndexOf(bytes) >= 0;
}
