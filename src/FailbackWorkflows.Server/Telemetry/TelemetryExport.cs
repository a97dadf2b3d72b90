using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.Server.Hosting;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace FailbackWorkflows.Server.Telemetry;

/// <summary>
/// Sends traces and metrics to an OpenTelemetry collector. Off unless <c>Failback:OtlpEndpoint</c> or <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> names one; what else the
/// <c>OTEL_…</c> variables say is respected. What is sent is listed in docs/deployment.md.
/// </summary>
internal sealed class TelemetryExport(IConfiguration configuration, WorkflowEngineOptions engine) : IHostedService, IDisposable
{
    private const string Setting = $"{ServerOptions.Section}:{nameof(ServerOptions.OtlpEndpoint)}";
    private const string Standard = "OTEL_EXPORTER_OTLP_ENDPOINT";
    private const string Protocol = "OTEL_EXPORTER_OTLP_PROTOCOL";
    private const string ServiceName = "failback-management-server";

    /// <summary>How long the end of the process waits for what was not sent yet; a collector that is gone must not hold it up.</summary>
    private const int LastWordsMilliseconds = 3000;

    private TracerProvider? _traces;
    private MeterProvider? _metrics;

    /// <summary>Whether somebody wants it.</summary>
    public static bool IsWanted(IConfiguration configuration) => !string.IsNullOrWhiteSpace(configuration[Setting]) || !string.IsNullOrWhiteSpace(configuration[Standard]);

    public Task StartAsync(CancellationToken cancellationToken)
    {
        var resource = ResourceBuilder.CreateDefault()
            .AddService(ServiceName, serviceVersion: typeof(TelemetryExport).Assembly.GetName().Version?.ToString(3), serviceInstanceId: engine.Node)
            .AddEnvironmentVariableDetector();
        _traces = Sdk.CreateTracerProviderBuilder()
            .ConfigureServices(services => services.AddSingleton(configuration))
            .SetResourceBuilder(resource)
            .AddSource(WorkflowTracing.SourceName, RecorderTracing.SourceName)
            .AddOtlpExporter(options => Configure(options, "v1/traces"))
            .Build();
        _metrics = Sdk.CreateMeterProviderBuilder()
            .ConfigureServices(services => services.AddSingleton(configuration))
            .SetResourceBuilder(resource)
            .AddMeter(WorkflowMetrics.MeterName, PollMetrics.MeterName, SiteGauges.MeterName)
            .AddMeter("System.Runtime", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel")
            .AddOtlpExporter(options => Configure(options, "v1/metrics"))
            .Build();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.Run(
        () =>
        {
            _traces?.ForceFlush(LastWordsMilliseconds);
            _metrics?.ForceFlush(LastWordsMilliseconds);
        },
        cancellationToken);

    public void Dispose()
    {
        _traces?.Dispose();
        _metrics?.Dispose();
    }

    private void Configure(OtlpExporterOptions options, string path)
    {
        if (string.IsNullOrWhiteSpace(configuration[Protocol]))
        {
            // What OpenTelemetry recommends, and what passes through proxies.
            options.Protocol = OtlpExportProtocol.HttpProtobuf;
        }

        if (configuration[Setting] is { Length: > 0 } endpoint)
        {
            options.Endpoint = options.Protocol == OtlpExportProtocol.HttpProtobuf ? new Uri($"{endpoint.TrimEnd('/')}/{path}") : new Uri(endpoint);
        }
    }
}
