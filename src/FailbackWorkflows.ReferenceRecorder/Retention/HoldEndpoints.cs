using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Retention;

/// <summary>Retention holds over HTTP.</summary>
public static class HoldEndpoints
{
    public static void MapHolds(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/retention-holds", (HttpContext context, RecorderStore store) =>
            Answer.Ok(new HoldList(store.Read(HoldStore.List))).WriteAsync(context))
            .Produces<HoldList>().WithSummary("All retention holds.");

        routes.MapGet("/v1/retention-holds/{entryId}", (HttpContext context, RecorderStore store) =>
        {
            var entryId = RequestReader.CheckName(context.Request.RouteValues["entryId"] as string, "entry id");
            var hold = store.Read(sql => HoldStore.Find(sql, entryId)) ?? throw Refusal.Unknown($"There is no retention hold for entry '{entryId}'.");
            return Answer.Ok(hold).WriteAsync(context);
        }).Produces<RetentionHoldState>().WithSummary("One retention hold.");

        routes.MapPut("/v1/retention-holds/{entryId}", async (HttpContext context, CommandGate gate) =>
        {
            var entryId = RequestReader.CheckName(context.Request.RouteValues["entryId"] as string, "entry id");
            var (body, hash) = await RequestReader.ReadAsync<RetentionHoldBody>(context);
            RequestReader.CheckName(body.Identity, "identity");
            RequestReader.CheckText(body.Reason, "reason", HoldStore.LongestReason);
            await gate.RunAsync(context, body.Identity, hash, (sql, _) =>
                Answer.Ok(HoldStore.Put(sql, new RetentionHoldState(entryId, body.Identity, body.FromUtc, body.ToUtc, body.Reason))));
        }).Accepts<RetentionHoldBody>("application/json").Produces<RetentionHoldState>().WithSummary("Opens a hold, ends it, or opens it again.");

        routes.MapPost("/v1/retention-holds/{entryId}:release", async (HttpContext context, CommandGate gate, RecorderStore store) =>
        {
            var entryId = RequestReader.CheckName(context.Request.RouteValues["entryId"] as string, "entry id");
            var (body, hash) = await RequestReader.ReadAsync<HoldReleaseBody>(context);
            RequestReader.CheckName(body.Identity, "identity");
            RequestReader.CheckText(body.Reason, "reason", HoldStore.LongestReason);
            if (!Names.IsItem(body.TaskId))
            {
                throw Refusal.Malformed($"The task id is not one. {Names.ItemRule}");
            }

            await gate.RunForTaskAsync(context, body.Identity, body.TaskId, hash, (sql, _) =>
                Answer.Ok(HoldStore.Release(sql, entryId, body.Identity, body.Release, body.Reason, store.Time.GetUtcNow())));
        }).Accepts<HoldReleaseBody>("application/json").Produces<RetentionHoldState>().WithName("releaseRetentionHold").WithSummary("Ends a hold whose material is home or whose loss is accepted.");
    }
}

/// <summary>Body of <c>POST /v1/retention-holds/{entryId}:release</c>.</summary>
/// <param name="TaskId">The copy task whose fence the call carries.</param>
public sealed record HoldReleaseBody(string Identity, string TaskId, HoldRelease Release, string Reason);
