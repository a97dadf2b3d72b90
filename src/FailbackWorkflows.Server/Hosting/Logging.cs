using Serilog;
using Serilog.Core;
using Serilog.Events;
using Serilog.Formatting.Json;

namespace FailbackWorkflows.Server.Hosting;

/// <summary>
/// Serilog: readable lines on stderr (stdout belongs to what other programs read: the ready line and the first password), one JSON object
/// per line in the data folder, a file per day and another one whenever 100 MB are full; the newest 14 files are kept, so a loud day shortens what is kept and never fills the disk.
/// </summary>
internal static class Logging
{
    public static void Add(WebApplicationBuilder builder, DataFolder data)
    {
        builder.Logging.ClearProviders();
        builder.Logging.AddSerilog(Create(builder.Configuration, data), dispose: true);
    }

    private static Logger Create(IConfiguration configuration, DataFolder data) => new LoggerConfiguration()
        .MinimumLevel.Information()
        .MinimumLevel.Override("Microsoft", LogEventLevel.Warning)
        .MinimumLevel.Override("Microsoft.Hosting.Lifetime", LogEventLevel.Information)
        .MinimumLevel.Override("Quartz", LogEventLevel.Warning)
        // A start that failed is explained in one sentence by Main, a dead background service by the fatal line that ends the host.
        .MinimumLevel.Override("Microsoft.Extensions.Hosting.Internal.Host", LogEventLevel.Fatal)
        // Its errors are those of our own exception handler, once more.
        .MinimumLevel.Override("Microsoft.AspNetCore.Diagnostics.ExceptionHandlerMiddleware", LogEventLevel.Fatal)
        // It warns at the first start that keys are stored as they are. They lie in the database, whose file is its owner's only; see docs/deployment.md.
        .MinimumLevel.Override("Microsoft.AspNetCore.DataProtection.KeyManagement.XmlKeyManager", LogEventLevel.Error)
        .ReadFrom.Configuration(configuration)
        .Enrich.FromLogContext()
        .WriteTo.Console(
            outputTemplate: "{Timestamp:HH:mm:ss.fff} {Level:u3} {Message:lj}{NewLine}{Exception}",
            standardErrorFromLevel: LogEventLevel.Verbose,
            formatProvider: System.Globalization.CultureInfo.InvariantCulture)
        .WriteTo.File(
            new JsonFormatter(renderMessage: true),
            Path.Combine(data.Logs, "server-.json"),
            rollingInterval: RollingInterval.Day,
            retainedFileCountLimit: 14,
            fileSizeLimitBytes: 100L * 1024 * 1024,
            rollOnFileSizeLimit: true)
        .CreateLogger();
}
