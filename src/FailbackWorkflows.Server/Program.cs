using System.Net.Sockets;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Failback.Readiness;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.Server.Api;
using FailbackWorkflows.Server.Api.Changes;
using FailbackWorkflows.Server.Api.Licenses;
using FailbackWorkflows.Server.Api.MaterialCopy;
using FailbackWorkflows.Server.Api.Readiness;
using FailbackWorkflows.Server.Api.Seals;
using FailbackWorkflows.Server.Api.Servers;
using FailbackWorkflows.Server.Evidence;
using FailbackWorkflows.Server.Health;
using FailbackWorkflows.Server.Hosting;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Jobs;
using FailbackWorkflows.Server.Pages;
using FailbackWorkflows.Server.Pages.FailoverLog;
using FailbackWorkflows.Server.Pages.Runs;
using FailbackWorkflows.Server.Pages.Servers;
using FailbackWorkflows.Server.Replay;
using FailbackWorkflows.Server.Resources;
using FailbackWorkflows.Server.Studio;
using FailbackWorkflows.Server.Studio.Hosting;
using FailbackWorkflows.Server.Telemetry;
using FailbackWorkflows.Server.Workflows;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Mvc.Localization;
using Microsoft.Extensions.Options;

namespace FailbackWorkflows.Server;

/// <summary>The management server: operator pages, HTTP API, workflow engine and jobs in one process.</summary>
public sealed class Program
{
    private const string DefaultUrl = "http://127.0.0.1:5080";
    private const long MaxRequestBytes = 1024 * 1024;

    private const string Usage = $"""
        The management server of FailbackWorkflows. Runs until it is told to end (SIGTERM, Ctrl+C).
            --urls URL                      where it listens (default {DefaultUrl})
            --data DIR                      its folder: the SQLite database, keys, seals and logs (default ./data)
            --Failback:Postgres CONNECTION  a PostgreSQL database instead of SQLite
            --Failback:OPTION VALUE         any other setting, also as the environment variable Failback__OPTION; docs/deployment.md has them all
            --help                          this text
        Or, without starting it:
        {LicenseTool.Usage}
        {VerifyTool.Usage}
        """;

    private Program()
    {
    }

    public static async Task<int> Main(string[] args)
    {
        if (args.Contains("--help"))
        {
            Console.WriteLine(Usage);
            return ExitCodes.Ended;
        }

        if (args.FirstOrDefault() == LicenseTool.Command)
        {
            return await new LicenseTool(Console.Out, Console.Error, TimeProvider.System).RunAsync(args[1..], CancellationToken.None);
        }

        if (args.FirstOrDefault() == VerifyTool.Command)
        {
            return await new VerifyTool(Console.Out, Console.Error, TimeProvider.System).RunAsync(args[1..], CancellationToken.None);
        }

        try
        {
            await using var app = Build(args);
            await app.StartAsync();
            Console.WriteLine($"management server ready {Address(app)}");
            await app.WaitForShutdownAsync();
            return ExitCodes.Ended;
        }
        catch (Exception exception) when (Explain(exception) is { } refusal)
        {
            await Console.Error.WriteLineAsync(refusal.Message);
            return refusal.ExitCode;
        }
    }

    /// <summary>Everything wired, nothing started. <c>--urls URL</c>, <c>--data DIR</c>, and any <c>--Failback:Option value</c>.</summary>
    public static WebApplication Build(string[] args) => Build(args, null);

    /// <summary>As <see cref="Build(string[])"/>, with a last word on the services, for tests.</summary>
    internal static WebApplication Build(string[] args, Action<IServiceCollection>? configure)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions
        {
            Args = args,
            ApplicationName = typeof(Program).Assembly.GetName().Name,
            // The program's own files lie beside it, wherever it is started from.
            ContentRootPath = AppContext.BaseDirectory,
        });
        builder.WebHost.UseSetting(WebHostDefaults.PreventHostingStartupKey, "true");
        if (string.IsNullOrEmpty(builder.Configuration[WebHostDefaults.ServerUrlsKey]))
        {
            builder.WebHost.UseUrls(DefaultUrl);
        }

        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = MaxRequestBytes;
        });

        var postgres = DatabaseChoice.ReadPostgres(builder.Configuration);
        var data = DataFolder.Open(builder.Configuration["data"] ?? "data", holdsDatabase: postgres is null);
        Logging.Add(builder, data);
        AddServices(builder, data, postgres);
        configure?.Invoke(builder.Services);

        var app = builder.Build();
        Configure(app);
        return app;
    }

    private static void AddServices(WebApplicationBuilder builder, DataFolder data, string? postgres)
    {
        var services = builder.Services;
        services.AddSingleton(data);
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton<IValidateOptions<ServerOptions>, ServerOptionsCheck>();
        services.AddOptions<ServerOptions>().BindConfiguration(ServerOptions.Section).ValidateOnStart();
        services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(15));

        var isExported = TelemetryExport.IsWanted(builder.Configuration);
        if (isExported)
        {
            // There first and gone last.
            services.AddHostedService<TelemetryExport>();
        }

        services.AddHostedService<FirstThings>();
        if (isExported)
        {
            services.AddHostedService<SiteGauges>();
        }

        var node = DatabaseChoice.NodeOf(builder.Configuration, postgres);
        DatabaseChoice.Add(services, data, builder.Configuration["Failback:EpochsPath"], builder.Configuration["Failback:SealsPath"], postgres, node);
        services.AddRecorderClient();
        services.AddSingleton(ReadPollOptions);
        services.AddSingleton(provider => ReadSettingsOptions(Options(provider)));
        services.AddSingleton(provider => new ConnectivityRetention { KeptFor = Options(provider).ConnectivityKeptFor });
        services.AddSingleton(ReadReadinessOptions);
        services.AddSingleton(provider => Options(provider).WorkflowRules);
        services.AddFailback(builder.Configuration.GetSection("Failback:License").Get<LicenseOptions>());
        services.AddWorkflowServices();
        services.AddWorkflowEngine(FailbackActivities.AddTo, engine =>
        {
            builder.Configuration.GetSection("Failback:Engine").Bind(engine);
            engine.Node = node;
        });

        var identityProvider = OpenIdProviderOptions.Read(builder.Configuration);
        IdentitySetup.Add(services, identityProvider);
        services.AddSingleton(new IdentityProviderView(identityProvider));
        services.AddScoped<FirstAdministrator>();
        services.AddScoped<UserAdministration>();
        services.AddSingleton<ApiKeyAdministration>();
        services.AddSingleton<LicenseInstallation>();
        services.AddSingleton<SharedReads>();
        services.AddSingleton<AuditTrail>();
        services.AddSingleton<ViewingTrail>();
        services.AddSingleton<EvidencePacks>();
        services.AddSingleton<RunReplays>();
        services.AddSingleton<RunProofs>();
        services.AddScoped<AuditFilter>();
        services.AddSingleton<ServerViews>();
        services.AddScoped<MaintenanceForms>();
        services.AddScoped<ReconciliationForms>();
        services.AddSingleton<ReadinessViews>();
        services.AddScoped<ReadinessForms>();
        services.AddSingleton<PlannedSteps>();
        services.AddSingleton<FailbackButtons>();
        services.AddSingleton<FailbackStarter>();
        services.AddScoped<RunForms>();
        services.AddSingleton<EntryDutyViews>();
        services.AddSingleton<CopyReader>();
        services.AddSingleton<MaterialCopyViews>();
        services.AddSingleton<MaterialCopyForms>();

        services.ConfigureHttpJsonOptions(json => ApiJson.Configure(json.SerializerOptions));
        services.Configure<RouteHandlerOptions>(routes => routes.ThrowOnBadRequest = true);
        services.AddExceptionHandler<ApiErrors>();
        services.AddProblemDetails();
        services.AddOpenApi("v1", ApiDescription.Configure);
        services.AddRazorPages(pages =>
        {
            pages.Conventions.ConfigureFilter(new Microsoft.AspNetCore.Mvc.ServiceFilterAttribute<AuditFilter>());
        }).AddViewLocalization();
        // One for all: every part of every page asks for it.
        services.AddSingleton<IHtmlLocalizer<Texts>, HtmlLocalizer<Texts>>();
        services.AddSingleton<Times>();
        StudioSetup.Add(services);
        services.AddHealth();
        services.AddHostedService<SealEndsOfRuns>();
        JobSchedule.Add(services, postgres, node);
    }

    private static PollOptions ReadPollOptions(IServiceProvider services)
    {
        var options = Options(services);
        return new PollOptions { Interval = options.PollInterval, MaxConcurrency = options.MaxConcurrentPolls };
    }

    private static RefreshSettingsOptions ReadSettingsOptions(ServerOptions options) =>
        new() { Interval = options.SettingsInterval, Patience = options.SettingsPatience, MaxConcurrency = options.MaxConcurrentSettings };

    private static ServerOptions Options(IServiceProvider services) => services.GetRequiredService<IOptions<ServerOptions>>().Value;

    private static ReadinessOptions ReadReadinessOptions(IServiceProvider services)
    {
        var options = services.GetRequiredService<IOptions<ServerOptions>>().Value;
        return new ReadinessOptions
        {
            Interval = options.ReadinessInterval == TimeSpan.Zero ? null : options.ReadinessInterval,
            MaxConcurrency = options.MaxConcurrentReadinessChecks,
        };
    }

    private static void Configure(WebApplication app)
    {
        app.UseMiddleware<SecurityHeaders>();
        app.UseMiddleware<QuietRequests>();
        // Says something only over https; which addresses there will be is not known yet.
        app.UseHsts();
        app.UseStaticFiles(new StaticFileOptions
        {
            // Addresses carry a hash of the content (asp-append-version), so a new version is a new address.
            OnPrepareResponse = context => context.Context.Response.Headers.CacheControl = "public, max-age=86400",
        });
        app.UseMiddleware<DesignerFiles>();
        app.UseMiddleware<RequestLog>();
        app.UseExceptionHandler(new ExceptionHandlerOptions
        {
            ExceptionHandlingPath = "/problem/500",
            StatusCodeSelector = exception => exception is BadHttpRequestException bad ? bad.StatusCode : StatusCodes.Status500InternalServerError,
        });
        app.UseWhen(ApiRequests.IsForPrograms, api => api.UseStatusCodePages(status =>
            Problems.ForStatus(status.HttpContext.Response.StatusCode).ExecuteAsync(status.HttpContext)));
        app.UseWhen(context => !ApiRequests.IsForPrograms(context), pages => pages.UseStatusCodePagesWithReExecute("/problem/{0}"));
        app.UseMiddleware<TextOnly>();
        // After what runs a request again as its error page, which needs a route of its own.
        app.UseRouting();
        app.UseMiddleware<RequestLogScope>();
        app.UseAuthentication();
        app.UseRateLimiter();
        app.UseAuthorization();
        app.MapHealth();
        app.MapApi();
        app.MapStudio();
        app.MapRazorPages();
    }

    private static string Address(WebApplication app) =>
        app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()?.Addresses.FirstOrDefault() ?? DefaultUrl;

    /// <summary>Turns what commonly stands in the way of a start into a sentence and an exit code; null for anything else, which crashes with its stack.</summary>
    private static StartRefusedException? Explain(Exception exception) => exception switch
    {
        StartRefusedException refused => refused,
        OptionsValidationException options => new(ExitCodes.BadSettings, string.Join(Environment.NewLine, options.Failures), options),
        DatabaseNotOpenedException notOpened => new(ExitCodes.BadSettings, notOpened.Message, notOpened),
        DatabaseInUseException inUse => new(ExitCodes.DatabaseInUse, inUse.Message, inUse),
        IOException { InnerException: AddressInUseException } taken => new(
            ExitCodes.PortTaken, $"{taken.Message} End the other program or give another address with --urls URL.", taken),
        SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse or SocketError.AccessDenied or SocketError.AddressNotAvailable } socket => new(
            ExitCodes.PortTaken, $"The address cannot be listened on: {socket.Message}. Give another one with --urls URL.", socket),
        { InnerException: { } inner } => Explain(inner),
        _ => null,
    };
}
