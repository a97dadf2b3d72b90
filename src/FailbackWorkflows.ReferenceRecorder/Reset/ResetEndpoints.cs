using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Retention;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Reset;

/// <summary>The factory reset over HTTP.</summary>
internal static class ResetEndpoints
{
    public static void MapReset(this IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/recorder:reset", async (HttpContext context, CommandGate gate, RecorderStore store, DataFolder folder) =>
        {
            var (body, _) = await RequestReader.ReadAsync<ResetBody>(context);
            RequestReader.CheckText(body.Reason, "reason", HoldStore.LongestReason);
            IReadOnlyCollection<string> files = [];
            await gate.RunUnkeyedAsync(
                context,
                sql =>
                {
                    (var result, files) = FactoryReset.Run(sql, body.Reason, store.Time.GetUtcNow());
                    return Answer.Ok(result);
                },
                () => FactoryReset.DeleteFiles(folder, files));
        }).Accepts<ResetBody>("application/json").Produces<ResetResult>().WithName("resetRecorder").WithSummary("Back to standby as from the factory; refused while material is owed.");
}

/// <summary>Body of <c>POST /v1/recorder:reset</c>.</summary>
public sealed record ResetBody(string Reason);
