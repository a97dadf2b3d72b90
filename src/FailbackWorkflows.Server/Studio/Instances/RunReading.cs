using System.Buffers;
using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Persistence.Workflows;
using Microsoft.AspNetCore.Http.Features;

namespace FailbackWorkflows.Server.Studio.Instances;

/// <summary>Lists of instances and everything the viewer shows of one.</summary>
internal static class RunReading
{
    private const int MostPerPage = 1000;
    private const int MostTogether = 100;
    private const int EventsAtOnce = 1000;

    public static void MapRunReading(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/workflow-instances", ListAsync);
        routes.MapGet("/workflow-instances/{id}", FindAsync);
        routes.MapGet("/workflow-instances/{id}/variables", FindVariablesAsync);
        routes.MapPost("/workflow-instances/{id}/journal", ReadJournalAsync);
        routes.MapGet("/workflow-instances/{id}/execution-state", FindStateAsync);
        routes.MapGet("/workflow-instances/{id}/export", ExportAsync);
        routes.MapPost("/bulk-actions/export/workflow-instances", ExportManyAsync);
        routes.MapPost("/activity-executions/report", ReportAsync);
        routes.MapGet("/activity-executions/list", ListExecutionsAsync);
        routes.MapGet("/activity-execution-summaries/list", ListExecutionsAsync);
        routes.MapGet("/activity-executions/by-id", FindExecutionAsync);
        routes.MapGet("/activity-executions/{id}/call-stack", FindWayAsync);
    }

    private static async Task<IResult> ListAsync(HttpContext context, IRunBrowser runs, CancellationToken cancellationToken)
    {
        var filter = await StudioJson.ReadAsync<RunFilter>(context);
        var page = await runs.ListAsync(filter.ToQuery(), cancellationToken);
        return StudioJson.Ok(new { Items = page.Items.Select(RunViews.Row).ToList(), page.TotalCount });
    }

    private static async Task<IResult> FindAsync(string id, RunViews views, CancellationToken cancellationToken) => Found(await views.FindAsync(id, cancellationToken));

    private static async Task<IResult> FindVariablesAsync(string id, RunViews views, CancellationToken cancellationToken) =>
        await views.FindVariablesAsync(id, cancellationToken) is { } variables ? StudioJson.List(variables) : Results.StatusCode(StatusCodes.Status404NotFound);

    private static async Task<IResult> ReadJournalAsync(string id, HttpContext context, RunViews views, CancellationToken cancellationToken)
    {
        var request = await StudioJson.ReadAsync<JournalRequest>(context);
        var (skip, take) = (Number(context.Request.Query["skip"]) ?? 0, Math.Clamp(Number(context.Request.Query["take"]) ?? 100, 1, MostPerPage));
        var (items, total) = await views.ReadJournalAsync(id, request.Filter, skip, take, cancellationToken);
        return StudioJson.Ok(new { Items = items, TotalCount = total });
    }

    private static async Task<IResult> FindStateAsync(string id, IRunBrowser runs, CancellationToken cancellationToken) => Found(
        await runs.FindAsync(id, cancellationToken) is { } run
            ? new { Status = run.Status.ToString(), WorkflowSubStatus = run.SubStatus.ToString(), SubStatus = run.SubStatus.ToString(), run.UpdatedAt }
            : null);

    private static async Task<IResult> ReportAsync(HttpContext context, RunViews views, CancellationToken cancellationToken)
    {
        var request = await StudioJson.ReadAsync<ReportRequest>(context);
        return StudioJson.Ok(new { Stats = string.IsNullOrEmpty(request.WorkflowInstanceId) ? [] : await views.CountAsync(request.WorkflowInstanceId, request.ActivityNodeIds, cancellationToken) });
    }

    private static async Task<IResult> ListExecutionsAsync(HttpContext context, RunViews views, CancellationToken cancellationToken)
    {
        var query = context.Request.Query;
        return StudioJson.List(await views.ListExecutionsAsync(query["workflowInstanceId"].ToString(), query["activityNodeId"].ToString(), cancellationToken));
    }

    private static async Task<IResult> FindExecutionAsync(HttpContext context, RunViews views, CancellationToken cancellationToken) =>
        Found(await views.FindExecutionAsync(context.Request.Query["id"].ToString(), cancellationToken));

    private static async Task<IResult> FindWayAsync(string id, RunViews views, CancellationToken cancellationToken)
    {
        var way = await views.FindWayAsync(id, cancellationToken);
        return StudioJson.Ok(new { ActivityExecutionId = id, Items = way, TotalCount = way.Count });
    }

    private static async Task<IResult> ExportAsync(string id, RunViews views, IWorkflowStore store, CancellationToken cancellationToken) =>
        await views.FindAsync(id, cancellationToken) is { } instance
            ? Results.Stream(body => WriteWholeAsync(body, id, instance, store, cancellationToken), "application/json", FileNameOf(id))
            : Results.StatusCode(StatusCodes.Status404NotFound);

    private static async Task<IResult> ExportManyAsync(HttpContext context, RunViews views, IWorkflowStore store, CancellationToken cancellationToken)
    {
        var ids = (await StudioJson.ReadAsync<RunIdsRequest>(context)).Ids ?? [];

        // What the archive itself writes between its files it does not write asynchronously; it is a few bytes.
        context.Features.GetRequiredFeature<IHttpBodyControlFeature>().AllowSynchronousIO = true;
        return Results.Stream(
            async body =>
            {
                await using var archive = await ZipArchive.CreateAsync(body, ZipArchiveMode.Create, leaveOpen: true, entryNameEncoding: null, cancellationToken);
                foreach (var id in ids.Distinct(StringComparer.Ordinal).Take(MostTogether))
                {
                    if (await views.FindAsync(id, cancellationToken) is { } instance)
                    {
                        await using var entry = await archive.CreateEntry(FileNameOf(id)).OpenAsync(cancellationToken);
                        await WriteWholeAsync(entry, id, instance, store, cancellationToken);
                    }
                }
            },
            "application/zip",
            "workflow-instances.zip");
    }

    /// <summary>
    /// The instance and its journal, as it is read: a journal may be too long to be kept in memory. It is for reading: an instance is not brought in again, its history would
    /// not be ours.
    /// </summary>
    private static async Task WriteWholeAsync(Stream to, string id, object instance, IWorkflowStore store, CancellationToken cancellationToken)
    {
        // Not over the stream itself: the serializer would flush each event there, and not asynchronously.
        var written = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(written, new JsonWriterOptions { Indented = true, Encoder = StudioJson.Options.Encoder });
        json.WriteStartObject();
        json.WritePropertyName("instance");
        JsonSerializer.Serialize(json, instance, instance.GetType(), StudioJson.Options);
        json.WriteStartArray("journal");
        var read = 0L;
        while (await store.ReadJournalAsync(id, read, EventsAtOnce, cancellationToken) is { Count: > 0 } page)
        {
            foreach (var item in page)
            {
                JsonSerializer.Serialize(json, item, PlainValue.Json);
            }

            await to.WriteAsync(written.WrittenMemory, cancellationToken);
            written.ResetWrittenCount();
            read = page[^1].Sequence;
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.Flush();
        await to.WriteAsync(written.WrittenMemory, cancellationToken);
    }

    private static string FileNameOf(string id) => $"workflow-instance-{id}.json";

    private static IResult Found(object? value) => value is null ? Results.StatusCode(StatusCodes.Status404NotFound) : StudioJson.Ok(value);

    private static int? Number(string? text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private sealed record JournalRequest(JournalFilter? Filter);

    private sealed record ReportRequest(string? WorkflowInstanceId, IReadOnlyList<string>? ActivityNodeIds);
}

internal sealed record RunIdsRequest(IReadOnlyList<string>? Ids);
