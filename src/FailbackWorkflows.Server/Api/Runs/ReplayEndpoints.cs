using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Replay;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.Runs;

/// <summary>Events of a run with what the run was then.</summary>
/// <param name="Events">How many events the run has by now.</param>
/// <param name="IsLive">More may come.</param>
public sealed record ReplayFrames(IReadOnlyList<ReplayFrame> Items, long Events, bool IsLive);

internal static class ReplayEndpoints
{
    public static void MapReplay(this IEndpointRouteBuilder api)
    {
        var replay = api.MapGroup("/runs/{runId}/replay").WithTags("Runs").RequireAuthorization(Permissions.Read);
        replay.MapGet("", OpenAsync).WithSummary("A run to be played: its diagrams, how many events it has, at which of them something failed");
        api.MapGet("/runs/{runId}/proof", ProveAsync)
            .RequireAuthorization(Permissions.Audit)
            .WithTags("Audit")
            .WithSummary("Derives a run again from its facts and its definition with today's engine, and names the first decision that differs");
        replay.MapGet("/{sequence}", ReadAsync).WithSummary("Events of a run from one on, with what every activity and variable was then; at most 100");
    }

    private static async Task<Results<Ok<ReplayHead>, Problem>> OpenAsync(string runId, RunReplays replays, CancellationToken cancellationToken) =>
        await replays.OpenAsync(runId, cancellationToken) is { } head ? TypedResults.Ok(head) : Unknown();

    private static async Task<Results<Ok<ReplayFrames>, Problem>> ReadAsync(string runId, long sequence, RunReplays replays, CancellationToken cancellationToken, int take = 1)
    {
        var errors = new FieldErrors();
        errors.Between("take", take, 1, RunReplays.MostFrames);
        if (sequence < 1)
        {
            errors.Add("sequence", "Events are numbered from 1.");
        }

        if (errors.Any)
        {
            return errors.ToProblem();
        }

        return await replays.ReadAsync(runId, sequence, take, cancellationToken) is { } read ? TypedResults.Ok(new ReplayFrames(read.Frames, read.Events, read.IsLive)) : Unknown();
    }

    private static async Task<Results<Ok<RunProof>, Problem>> ProveAsync(string runId, RunProofs proofs, CancellationToken cancellationToken) =>
        await proofs.ProveAsync(runId, cancellationToken) is { } proof ? TypedResults.Ok(proof) : Unknown();

    private static Problem Unknown() => new(Problems.UnknownRun, "A run's id comes with the answer that started it and is shown in the failover log.");
}
