using System.Globalization;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Duties;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Coverage;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Queue;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy;

/// <summary>The DVRFailoverService over HTTP.</summary>
internal static class CopyEndpoints
{
    private const string Tag = "DVRFailoverService";
    private const string TaskRoute = "/v1/copy-tasks/{taskId}";
    private const int LongestPage = 1000;

    public static void AddMaterialCopy(this IServiceCollection services)
    {
        services.AddSingleton<CopyTuning>();
        services.AddSingleton<CopyLog>();
        services.AddSingleton<TokenVault>();
        services.AddSingleton<CopyService>();
        services.AddHostedService(provider => provider.GetRequiredService<CopyService>());
    }

    public static void MapMaterialCopy(this IEndpointRouteBuilder endpoints)
    {
        var routes = endpoints.MapGroup("").WithTags(Tag);
        MapOperations(routes);
        MapReads(routes);
        MapOrders(routes);
    }

    private static void MapOperations(RouteGroupBuilder routes)
    {
        routes.MapPost("/v1/copy-tasks", async (HttpContext context, CommandGate gate, RecorderStore store, CopyService service) =>
        {
            var (body, hash) = await RequestReader.ReadAsync<StartDataCopy>(context);
            CopyRules.Check(body);
            await gate.RunForTaskAsync(context, body.Identity, body.TaskId, hash, (sql, _) =>
            {
                var (task, isNew) = CopyRules.Start(sql, body, store.Time.GetUtcNow());
                var view = View(sql, task, service);
                return isNew ? Answer.Created(view) : Answer.Ok(view);
            });
            service.Wake();
        }).Accepts<StartDataCopy>("application/json").Produces<CopyTask>(StatusCodes.Status201Created).Produces<CopyTask>()
            .WithName("StartDataCopy").WithSummary("Adds a task to the durable queue; the same definition again is harmless.");

        routes.MapPut(TaskRoute + "/source", async (HttpContext context, CommandGate gate, CopyService service, TokenVault vault) =>
        {
            var taskId = TaskId(context);
            var (body, hash) = await RequestReader.ReadAsync<UpdateClientInfo>(context);
            CopyRules.Check(body);
            await gate.RunForTaskAsync(context, sql => Known(sql, taskId).Identity, taskId, hash, (sql, _) =>
                Answer.Ok(View(sql, CopyRules.SetSource(sql, Known(sql, taskId), body.Url, vault.Seal(taskId, body.Token)), service)));
            service.Wake();
        }).Accepts<UpdateClientInfo>("application/json").Produces<CopyTask>()
            .WithName("UpdateClientInfo").WithSummary("Address and read credential of the source; also while the task runs.");

        routes.MapPost("/v1/copy-tasks:reconcile", async (HttpContext context, CommandGate gate, RecorderStore store, CopyService service) =>
        {
            var (body, _) = await RequestReader.ReadAsync<UpdateFailoverTaskStates>(context);
            RequestReader.CheckName(body.Identity, "identity");
            await gate.RunUnderEpochAsync(context, body.Identity, sql => Answer.Ok(Reconcile(sql, body, service, store.Time.GetUtcNow())));
            service.Wake();
        }).Accepts<UpdateFailoverTaskStates>("application/json").Produces<MergedCopyTasks>()
            .WithName("UpdateFailoverTaskStates").WithSummary("Merges both sides' task states after a lost connection.");
    }

    private static void MapReads(RouteGroupBuilder routes)
    {
        routes.MapGet("/v1/copy-tasks", (HttpContext context, RecorderStore store, CopyService service) =>
        {
            var (after, most) = PageOfTasks(context);
            return Answer.Ok(store.Read(sql =>
            {
                var rows = CopyTaskStore.List(sql, after, most);
                return new CopyTaskList(rows.ConvertAll(t => View(sql, t, service)), rows.Count == most ? rows[^1].QueueOrder.ToString(CultureInfo.InvariantCulture) : null);
            })).WriteAsync(context);
        }).Produces<CopyTaskList>().WithSummary("Tasks in the order of the queue, ended ones included: all of them, or with limit one page.");

        routes.MapGet(TaskRoute, (HttpContext context, RecorderStore store, CopyService service) =>
        {
            var taskId = TaskId(context);
            return Answer.Ok(store.Read(sql => View(sql, Known(sql, taskId), service))).WriteAsync(context);
        }).Produces<CopyTask>().WithSummary("One task.");

        routes.MapGet(TaskRoute + "/coverage", async (HttpContext context, RecorderStore store, RecorderOptions options) =>
        {
            var taskId = TaskId(context);
            var report = store.Read(sql =>
            {
                var task = Known(sql, taskId);
                return task.HasEnded && CopyTaskStore.Coverage(sql, taskId) is { } stored ? CoverageReports.Read(stored) : Interim.Report(sql, task, store, options.IsAppendOnly);
            });
            if (context.Request.Query["format"] == "csv")
            {
                context.Response.ContentType = "text/csv; charset=utf-8";
                await context.Response.WriteAsync(CoverageReports.ToCsv(report), context.RequestAborted);
                return;
            }

            await Answer.Ok(report).WriteAsync(context);
        }).Produces<CoverageReport>().WithSummary("What became of everything in the period; ?format=csv gives a table.");
    }

    private static void MapOrders(RouteGroupBuilder routes)
    {
        foreach (var order in Enum.GetValues<CopyOrder>())
        {
            routes.MapPost($"{TaskRoute}:{order.ToString().ToLowerInvariant()}", async (HttpContext context, CommandGate gate, RecorderStore store, CopyService service) =>
            {
                var taskId = TaskId(context);
                await gate.RunForTaskAsync(context, sql => Known(sql, taskId).Identity, taskId, RequestReader.HashWithoutBody(context), (sql, _) =>
                    Answer.Ok(View(sql, CopyRules.Order(sql, Known(sql, taskId), order, store.Time.GetUtcNow()), service)));
                service.Wake();
            }).Produces<CopyTask>().WithSummary($"Orders a task to {order.ToString().ToLowerInvariant()}.");
        }

        routes.MapPut(TaskRoute + "/limits", async (HttpContext context, CommandGate gate, CopyService service) =>
        {
            var taskId = TaskId(context);
            var (body, hash) = await RequestReader.ReadAsync<CopyLimits>(context);
            CopyRules.Check(body);
            await gate.RunForTaskAsync(context, sql => Known(sql, taskId).Identity, taskId, hash, (sql, _) =>
                Answer.Ok(View(sql, CopyTaskStore.Save(sql, Known(sql, taskId) with { Limits = body }), service)));
            service.Wake();
        }).Accepts<CopyLimits>("application/json").Produces<CopyTask>().WithSummary("Bandwidth limit and daily window; effective within a second.");
    }

    private static MergedCopyTasks Reconcile(Sql sql, UpdateFailoverTaskStates body, CopyService service, DateTimeOffset now)
    {
        var unknown = new List<string>();
        foreach (var known in body.Tasks)
        {
            if (CopyTaskStore.Find(sql, known.TaskId) is { } task && task.Identity == body.Identity)
            {
                CopyRules.Merge(sql, known, task, now);
            }
            else
            {
                unknown.Add(known.TaskId);
            }
        }

        return new MergedCopyTasks([.. CopyTaskStore.List(sql).Where(t => t.Identity == body.Identity).Select(t => View(sql, t, service))], unknown);
    }

    private static string TaskId(HttpContext context) => RequestReader.CheckName(context.Request.RouteValues["taskId"] as string, "task id");

    private static CopyTaskRow Known(Sql sql, string taskId) =>
        CopyTaskStore.Find(sql, taskId) ?? throw Refusal.Unknown($"There is no copy task '{taskId}' on this recorder. Start it with StartDataCopy.");

    private static CopyTask View(Sql sql, CopyTaskRow task, CopyService service)
    {
        var (rate, left, verified) = service.Live(task);
        var counters = task.Counters;
        var positions = CopyTaskStore.Positions(sql, task.TaskId);
        return new CopyTask(
            task.TaskId, task.Definition.EntryId, task.Identity, task.Definition.SourceRecorderId, task.Definition.Period, task.State, task.PauseReason, task.Phase, task.LastError,
            counters.Segments, counters.Records, counters.AlreadyThere, counters.Bytes, counters.BytesTotal, verified ?? counters.BytesVerified, rate, left,
            task.Attempts, task.ClockOffsetAfter ?? task.ClockOffsetBefore, task.Limits, task.CreatedAt, task.StartedAt, task.EndedAt, task.HeartbeatAt, task.Revision,
            [.. positions.Where(p => p.Pass == CopyPosition.Copying || p is { Channel: CopyPosition.AllChannels, Error: not null }).Select(p => Progress(p, positions))]);
    }

    /// <summary>What is stored of a channel counts whichever pass fetched it.</summary>
    private static CopyChannelProgress Progress(CopyPosition position, List<CopyPosition> all)
    {
        var first = position.Pass == CopyPosition.Copying ? all.Find(p => p.Pass == CopyPosition.Evidence && (p.Kind, p.Channel) == (position.Kind, position.Channel)) : null;
        return new CopyChannelProgress(
            position.Kind, position.ChannelId, position.Position, position.Done + (first?.Done ?? 0), position.Total,
            position.BytesDone + (first?.BytesDone ?? 0), position.BytesTotal, position.Attempts, position.Error);
    }

    /// <summary>The place in the queue to read on behind, and how many. A task that is queued again meanwhile moves to the end, where it is read once more.</summary>
    private static (long After, int Most) PageOfTasks(HttpContext context)
    {
        var token = context.Request.Query["pageToken"].ToString();
        var most = RequestReader.Limit(context, int.MaxValue, LongestPage);
        return token.Length == 0 ? (0, most)
            : long.TryParse(token, NumberStyles.None, CultureInfo.InvariantCulture, out var after) ? (after, most)
            : throw Refusal.Malformed("The query value 'pageToken' is none that a page of copy tasks ended with. List from the beginning.");
    }
}
