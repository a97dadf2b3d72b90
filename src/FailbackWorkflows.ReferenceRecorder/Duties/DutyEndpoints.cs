using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Recording;
using FailbackWorkflows.ReferenceRecorder.Retention;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Duties;

/// <summary>Duties: read, fence, assign.</summary>
public static class DutyEndpoints
{
    public static void MapDuties(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/duties/{identity}", (HttpContext context, RecorderStore store) =>
        {
            var identity = RequestReader.Identity(context);
            var duty = store.Read(sql => DutyStore.Find(sql, identity)) ?? throw Refusal.UnknownIdentity(identity);
            return Answer.Ok(duty.ToState()).WriteAsync(context);
        }).Produces<DutyState>().WithSummary("The duty for a recorded identity.");

        routes.MapPost("/v1/duties/{identity}:fence", async (HttpContext context, CommandGate gate) =>
        {
            var identity = RequestReader.Identity(context);
            var (body, _) = await RequestReader.ReadAsync<FenceBody>(context);
            if (body.Fence < 0)
            {
                throw Refusal.Malformed("The fence must be 0 or more.");
            }

            await gate.RunUnkeyedAsync(context, sql => Answer.Ok(DutyRules.RaiseFence(sql, identity, body.Fence).ToState()));
        }).Accepts<FenceBody>("application/json").Produces<DutyState>().WithSummary("Raises the fence; changes neither epoch nor role.");

        routes.MapPut("/v1/duties/{identity}", async (HttpContext context, CommandGate gate, RecordingEngine engine, RecorderStore store) =>
        {
            var identity = RequestReader.Identity(context);
            var (body, hash) = await RequestReader.ReadAsync<DutyAssignment>(context);
            Check(body);
            await gate.RunAssignmentAsync(context, identity, body, hash, (sql, duty) =>
                Answer.Ok(DutyRules.Assign(sql, engine, duty, body, store.Time.GetUtcNow()).ToState()));
        }).Accepts<DutyAssignment>("application/json").Produces<DutyState>().WithSummary("Gives, takes or confirms a duty.");
    }

    private static void Check(DutyAssignment assignment)
    {
        if (assignment.Role is not (DutyRole.Recorder or DutyRole.FailoverServer or DutyRole.Standby))
        {
            throw Refusal.Malformed("The role must be recorder, failoverServer or standby.");
        }

        if (assignment.Epoch < 1 || assignment.Fence < 0)
        {
            throw Refusal.Malformed("The epoch must be 1 or more and the fence 0 or more.");
        }

        RequestReader.CheckText(assignment.AllocationId, "allocation id", 200);
        if (assignment.Hold is { } hold)
        {
            RequestReader.CheckName(hold.EntryId, "hold's entry id");
            RequestReader.CheckText(hold.Reason, "hold's reason", HoldStore.LongestReason);
        }
    }
}
