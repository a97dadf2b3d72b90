using System.Globalization;
using System.Net;
using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.Testing.Processes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Testing.Failback;

/// <summary>
/// <see cref="FakeRecorders"/> over HTTP, for management servers in processes of their own: some thousand recorders, each at an address of its own, that answer what polls,
/// failovers and failbacks ask. A thousand reference recorders do not fit on a machine; what these keep and refuse is what those do. Nothing of material copy is served.
/// </summary>
public sealed class ServedRecorders : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly List<string> _ids = [];

    private ServedRecorders()
    {
        Recorders = new FakeRecorders(TimeProvider.System);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.Configure<SocketTransportOptions>(o => o.CreateBoundListenSocket = _ => LoopbackSocket.Bind(0));
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.Use(RefuseAsync);
        Map(_app);
    }

    /// <summary>The recorders themselves, with what they were told.</summary>
    public FakeRecorders Recorders { get; }

    public static async Task<ServedRecorders> StartAsync()
    {
        var served = new ServedRecorders();
        await served._app.StartAsync();
        return served;
    }

    /// <summary>Adds a recorder that records its own duty, and answers where it is. Not safe to call while others are called.</summary>
    public Uri Add(string id)
    {
        Recorders.Add(id).Duty(id).Become(DutyRole.Recorder, 1, "seed", isRecording: true).Activate(FakeSettings.Content(1));
        _ids.Add(id);
        return new UriBuilder("http", LoopbackSocket.AddressOf(_ids.Count - 1).ToString(), new Uri(_app.Urls.Single()).Port).Uri;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private void Map(IEndpointRouteBuilder routes)
    {
        const string duty = "/v1/duties/{identity}";
        routes.MapGet("/v1/recorder", Answer((_, r) => Recorders.GetStatusAsync(r, default)));
        routes.MapPost("/v1/recorder:probe", Answer((c, r) => Recorders.ProbeAsync(r, c.Request.Query["identity"] is [{ } identity] ? identity : null, default)));
        routes.MapPost(duty + ":fence", Answer<FenceBody, DutyState>((c, r, body) => Recorders.RaiseFenceAsync(r, Identity(c), body.Fence, default)));
        routes.MapPut(duty, Answer<DutyAssignment, DutyState>((c, r, body) => Recorders.AssignDutyAsync(r, Identity(c), body, Key(c), default)));

        routes.MapGet(duty + "/recording", Answer((c, r) => Recorders.GetRecordingAsync(r, Identity(c), default)));
        routes.MapPost("/v1/recording:start", Answer<RecordingBody, RecordingState>((c, r, body) => Recorders.StartRecordingAsync(r, Command(c, body), Key(c), default)));
        routes.MapPost("/v1/recording:stop", Answer<RecordingBody, RecordingState>((c, r, body) => Recorders.StopRecordingAsync(r, Command(c, body), Key(c), default)));
        routes.MapPost("/v1/recording:release", Answer<ReleaseBody, RecordingState>(
            (c, r, body) => Recorders.ReleaseChannelsAsync(r, new(body.Identity, Authority(c), body.ChannelIds), Key(c), default)));

        routes.MapGet(duty + "/config", GetSettingsAsync);
        routes.MapPost(duty + "/config:validate", Answer<SettingsBody, SettingsValidation>((c, r, body) => Recorders.ValidateSettingsAsync(r, Identity(c), body.Content, default)));
        routes.MapPost(duty + "/config/staged", Answer<StageSettingsBody, StagedSettings>(
            (c, r, body) => Recorders.StageSettingsAsync(r, new(Identity(c), Authority(c), body.Content, body.Sha256), Key(c), default), StatusCodes.Status201Created));
        routes.MapPost(duty + "/config/staged/{stagedId}:activate", Answer(
            (c, r) => Recorders.ActivateSettingsAsync(r, new(Identity(c), Authority(c), Route(c, "stagedId"), ExpectedRevision(c)), Key(c), default)));
        routes.MapPost(duty + "/config:rollback", Answer<RollBackBody, SettingsRevision>(
            (c, r, body) => Recorders.RollBackSettingsAsync(r, new(Identity(c), Authority(c), body.ToRevision), Key(c), default)));
        routes.MapPost(duty + "/config:freeze", Answer((c, r) => Recorders.FreezeSettingsAsync(r, new(Identity(c), Authority(c), true), Key(c), default)));
        routes.MapPost(duty + "/config:unfreeze", Answer((c, r) => Recorders.FreezeSettingsAsync(r, new(Identity(c), Authority(c), false), Key(c), default)));

        const string hold = "/v1/retention-holds/{entryId}";
        routes.MapGet("/v1/retention-holds", Answer(async (_, r) => new HoldList(await Recorders.ListRetentionHoldsAsync(r, default))));
        routes.MapGet(hold, Answer(async (c, r) => await Recorders.FindRetentionHoldAsync(r, Route(c, "entryId"), default)
            ?? throw new RecorderException(RecorderErrorKind.NotFound, "There is no such hold.", RecorderProblems.UnknownResource)));
        routes.MapPut(hold, Answer<RetentionHoldBody, RetentionHoldState>((c, r, body) => Recorders.PutRetentionHoldAsync(
            r, new(Route(c, "entryId"), body.Identity, Authority(c), body.FromUtc, body.ToUtc, body.Reason), Key(c), default)));
    }

    /// <summary>Whoever is dead or cut off does not answer: the connection breaks. A refusal becomes the problem answer that a recorder gives.</summary>
    private static async Task RefuseAsync(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context);
        }
        catch (RecorderException refusal) when (refusal.Kind == RecorderErrorKind.Unreachable)
        {
            context.Abort();
        }
        catch (RecorderException refusal)
        {
            context.Response.StatusCode = StatusOf(refusal.Kind);
            context.Response.ContentType = "application/problem+json";
            await context.Response.WriteAsync(JsonSerializer.Serialize(new { type = refusal.ProblemType ?? RecorderProblems.InternalError, status = StatusOf(refusal.Kind), detail = refusal.Message }));
        }
    }

    private async Task GetSettingsAsync(HttpContext context)
    {
        var bundle = await Recorders.GetSettingsAsync(Endpoint(context), Identity(context), default);
        var tag = SettingsTag.Of(bundle.Revision, bundle.Sha256);
        context.Response.Headers.ETag = tag;
        if (context.Request.Headers.IfNoneMatch == tag)
        {
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        await context.Response.WriteAsJsonAsync(bundle, RecorderJson.Options);
    }

    /// <summary>Once read, a call is carried out even when its caller hangs up, as at a recorder: nothing here ends with the request.</summary>
    private RequestDelegate Answer<T>(Func<HttpContext, RecorderEndpoint, Task<T>> call) =>
        async context => await context.Response.WriteAsJsonAsync(await call(context, Endpoint(context)), RecorderJson.Options);

    private RequestDelegate Answer<TBody, T>(Func<HttpContext, RecorderEndpoint, TBody, Task<T>> call, int status = StatusCodes.Status200OK) => async context =>
    {
        var body = await context.Request.ReadFromJsonAsync<TBody>(RecorderJson.Options) ?? throw new RecorderException(RecorderErrorKind.Rejected, "There is no body.", RecorderProblems.MalformedRequest);
        var answer = await call(context, Endpoint(context), body);
        context.Response.StatusCode = status;
        await context.Response.WriteAsJsonAsync(answer, RecorderJson.Options);
    };

    /// <summary>The recorder at the address that was called, and what the caller says to be let in.</summary>
    private RecorderEndpoint Endpoint(HttpContext context) => new(
        _ids[LoopbackSocket.RecorderAt(context.Connection.LocalIpAddress!)],
        new UriBuilder("http", context.Connection.LocalIpAddress!.ToString(), context.Connection.LocalPort).Uri,
        context.Request.Headers.Authorization.ToString()["Bearer ".Length..]);

    private static RecordingCommand Command(HttpContext context, RecordingBody body) => new(body.Identity, Authority(context), body.AuthorityEnds);

    private static DutyAuthority Authority(HttpContext context) => new(Whole(context.Request.Headers[RecorderHeaders.DutyEpoch]), Whole(context.Request.Headers[RecorderHeaders.DutyFence]));

    private static long ExpectedRevision(HttpContext context) => Whole(context.Request.Headers.IfMatch.ToString().Trim('"'));

    private static long Whole(string? text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
        ? number
        : throw new RecorderException(RecorderErrorKind.Rejected, $"'{text}' is no whole number.", RecorderProblems.MalformedRequest);

    private static string Key(HttpContext context) => context.Request.Headers[RecorderHeaders.IdempotencyKey] is [{ Length: > 0 } key]
        ? key
        : throw new RecorderException(RecorderErrorKind.Rejected, "The command has no key.", RecorderProblems.MalformedRequest);

    private static string Identity(HttpContext context) => Route(context, "identity");

    private static string Route(HttpContext context, string name) => (string)context.Request.RouteValues[name]!;

    private static int StatusOf(RecorderErrorKind kind) => kind switch
    {
        RecorderErrorKind.Unauthorized => StatusCodes.Status401Unauthorized,
        RecorderErrorKind.NotFound => StatusCodes.Status404NotFound,
        RecorderErrorKind.Conflict => StatusCodes.Status409Conflict,
        RecorderErrorKind.StaleAuthority => StatusCodes.Status412PreconditionFailed,
        RecorderErrorKind.Rejected => StatusCodes.Status422UnprocessableEntity,
        RecorderErrorKind.StorageFull => StatusCodes.Status507InsufficientStorage,
        RecorderErrorKind.Busy => StatusCodes.Status503ServiceUnavailable,
        _ => StatusCodes.Status500InternalServerError,
    };
}
