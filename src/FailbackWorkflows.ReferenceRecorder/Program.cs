using System.Net.Sockets;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.ReferenceRecorder.Access;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Duties;
using FailbackWorkflows.ReferenceRecorder.Faults;
using FailbackWorkflows.ReferenceRecorder.Idempotency;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.Recording;
using FailbackWorkflows.ReferenceRecorder.Recording.Video;
using FailbackWorkflows.ReferenceRecorder.Records;
using FailbackWorkflows.ReferenceRecorder.Reset;
using FailbackWorkflows.ReferenceRecorder.Retention;
using FailbackWorkflows.ReferenceRecorder.Segments;
using FailbackWorkflows.ReferenceRecorder.Settings;
using FailbackWorkflows.ReferenceRecorder.Status;
using FailbackWorkflows.ReferenceRecorder.Storage;
using Microsoft.AspNetCore.Connections;

namespace FailbackWorkflows.ReferenceRecorder;

/// <summary>The reference recorder: one process, one data folder, one port.</summary>
public static class Program
{
    /// <summary>Exit codes: 0 stopped, 2 options or data folder unusable, 3 port taken, 4 data folder in use.</summary>
    public static async Task<int> Main(string[] args)
    {
        try
        {
            await using var app = Build(args, TimeProvider.System);
            await StartAsync(app);
            var store = app.Services.GetRequiredService<RecorderStore>();
            Console.WriteLine($"recorder ready {string.Join(',', app.Urls)} id={store.MachineId} boot={store.BootId}");
            await app.WaitForShutdownAsync();
            return 0;
        }
        catch (StartRefusedException refused)
        {
            await Console.Error.WriteLineAsync(refused.Message);
            return refused.ExitCode;
        }
    }

    /// <summary>A recorder ready to be started; tests host it in their own process.</summary>
    /// <exception cref="StartRefusedException">The options or the data folder cannot be used.</exception>
    public static WebApplication Build(string[] args, TimeProvider time)
    {
        var options = RecorderOptions.Parse(args);
        var folder = DataFolder.Open(options);
        try
        {
            var store = new RecorderStore(folder, time, options.SeedIdentity is { } identity ? sql => SeedSettings.Plant(sql, identity, options.SeedChannels, time.GetUtcNow(), options.SeedCameras) : null);
            return Build(options, folder, store);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Starts serving; a port that is taken is a <see cref="StartRefusedException"/>.</summary>
    public static async Task StartAsync(WebApplication app)
    {
        var urls = app.Services.GetRequiredService<RecorderOptions>().Urls;
        try
        {
            await app.StartAsync();
        }
        catch (IOException error) when (error.InnerException is AddressInUseException or SocketException)
        {
            throw new StartRefusedException(StartRefusedException.PortTaken, $"The recorder cannot listen on {urls}: another program has the port. Stop that program or give another port with --urls.");
        }
        catch (SocketException error)
        {
            throw new StartRefusedException(StartRefusedException.PortTaken, $"The recorder cannot listen on {urls}: {error.Message} Give an address of this machine with --urls.");
        }
    }

    private static WebApplication Build(RecorderOptions options, DataFolder folder, RecorderStore store)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.WebHost.UseUrls(options.Urls);
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = SegmentEndpoints.MaxSegmentBytes;
        });

        // Standard output is for the one line that says the recorder is ready.
        builder.Logging.ClearProviders();
        builder.Logging.AddSimpleConsole(console => console.SingleLine = true);
        builder.Services.Configure<Microsoft.Extensions.Logging.Console.ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);
        builder.Logging.AddFilter("Microsoft.Hosting", LogLevel.Warning);

        // A start that fails is told in one sentence by Main, not by the host's stack trace.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting", LogLevel.None);

        // Made by a factory so that the container disposes them, the folder's lock last.
        builder.Services.AddSingleton(_ => folder);
        builder.Services.AddSingleton(services =>
        {
            services.GetRequiredService<DataFolder>();
            return store;
        });
        builder.Services.AddSingleton(options);
        builder.Services.AddSingleton(store.Time);
        builder.Services.AddSingleton(services => new VideoClips(
            VideoClips.Locate(options.Ffmpeg) is { } ffmpeg ? new FfmpegEncoder(ffmpeg, options.FrameInterval, store.Time) : null,
            options,
            services.GetRequiredService<ILogger<VideoClips>>()));
        builder.Services.AddHostedService(services => services.GetRequiredService<VideoClips>());
        builder.Services.AddSingleton(services => new RecordingEngine(
            services.GetRequiredService<RecorderStore>(), folder, options, services.GetRequiredService<VideoClips>(), services.GetRequiredService<ILogger<RecordingEngine>>()));
        builder.Services.AddSingleton<CommandGate>();
        builder.Services.AddSingleton<FaultInjection>();
        builder.Services.AddHostedService(services => services.GetRequiredService<RecordingEngine>());
        builder.Services.AddHostedService<Housekeeping>();
        builder.Services.AddMaterialCopy();
        builder.Services.AddOpenApi(openApi => openApi.AddDocumentTransformer((document, _, _) =>
        {
            document.Info.Title = "Recorder API";
            document.Info.Version = StatusEndpoints.ApiVersion;
            return Task.CompletedTask;
        }));

        var app = builder.Build();
        if (!store.IsNew || options.SeedIdentity is null)
        {
            app.Services.GetRequiredService<RecordingEngine>().Boot();
        }

        app.Use((context, next) =>
        {
            // Before anything that answers: refusals tell the time, too.
            context.Response.OnStarting(() =>
            {
                context.Response.Headers[RecorderHeaders.RecorderTime] = RecorderJson.FormatInstant(store.Time.GetUtcNow());
                return Task.CompletedTask;
            });
            return next(context);
        });
        app.UseProblemAnswers();
        app.UseBearerToken(options.Token, store);
        if (options.TestFaults)
        {
            FaultInjection.Use(app);
        }

        app.UseRouting();
        app.UseReadGrants();
        app.MapStatus();
        app.MapDuties();
        app.MapRecording();
        app.MapSettings();
        app.MapHolds();
        app.MapReset();
        app.MapSegments();
        app.MapTracks();
        app.MapSegmentBytes();
        app.MapRecords();
        app.MapReadTokens();
        app.MapMaterialCopy();
        app.MapKeys();
        app.MapOpenApi("/openapi/v1.json");
        if (options.TestFaults)
        {
            FaultInjection.Map(app);
        }

        return app;
    }
}
