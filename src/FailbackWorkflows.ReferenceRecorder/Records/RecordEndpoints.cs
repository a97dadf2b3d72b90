using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.Access;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Duties;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Records;

/// <summary>Records over HTTP: pages as newline-delimited JSON, manifests, import.</summary>
public static class RecordEndpoints
{
    public const string MediaType = "application/x-ndjson";

    private const int UsualPage = 1000;
    private const int LongestPage = 10_000;
    private const int Chunk = 100;
    private const int LongestLine = 2 * RecordRules.MaxBodyBytes;

    private static readonly Dictionary<string, RecordKind> Kinds = Enum.GetValues<RecordKind>().ToDictionary(RecordDigest.Name, StringComparer.Ordinal);

    public static void MapRecords(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/records/{kind}", ListAsync)
            .AllowReadToken().Produces<MaterialRecord>(StatusCodes.Status200OK, MediaType)
            .WithName("listRecords").WithSummary("Records of a kind, one a line, ordered by (time, id); the last line is the end mark.");

        routes.MapGet("/v1/records/{kind}/manifest", (HttpContext context, RecorderStore store) =>
        {
            var query = Query(context);
            var manifest = store.Read(sql =>
            {
                var (count, root) = RecordStore.Root(sql, query);
                var channelId = context.Request.Query["channelId"].ToString();
                return new RecordManifest(
                    query.Kind, query.Identity, channelId.Length == 0 ? null : channelId, query.From ?? DateTimeOffset.MinValue, query.To ?? DateTimeOffset.MaxValue, count, root, store.Time.GetUtcNow(),
                    RecordStore.CountDisputed(sql, query));
            });
            return Answer.Ok(manifest).WriteAsync(context);
        }).AllowReadToken().Produces<RecordManifest>().WithName("getRecordManifest").WithSummary("Count and root digest of the ordinary records of a range.");

        routes.MapPost("/v1/records/{kind}:import", ImportAsync)
            .Accepts<Stream>(MediaType).Produces<RecordImportAnswer>()
            .WithName("importRecords").WithSummary("Stores records, one a line; answers what became of each.");
    }

    private static async Task ListAsync(HttpContext context, RecorderStore store)
    {
        var query = Query(context);
        var scope = string.Create(CultureInfo.InvariantCulture, $"{query.Kind} {query.Identity} {query.ChannelId ?? "*"} {query.ChangedAfter} {query.Plate} {query.State} {query.AlarmId} {query.Archive}");
        var token = PageToken.Read(context, scope, query.From, query.To);
        if (token is not null)
        {
            var (from, to) = ReadGrant.Bound(context, token.From, token.To);
            query = query with { From = from, To = to };
        }

        // The whole listing answers with the sequence of its beginning: what changes while it is read is found by asking for what came after.
        var limit = RequestReader.Limit(context, UsualPage, LongestPage);
        var (asOf, change) = token is null ? (store.Time.GetUtcNow(), store.Read(RecordStore.ChangeSequence)) : (token.AsOf, token.ChangeSequence);
        (DateTimeOffset Time, string Id)? last = token is null ? null : (token.LastTime, token.LastId);

        context.Response.ContentType = MediaType;
        context.Response.Headers.CacheControl = "no-store";
        var count = 0;
        List<RecordRow> rows;
        do
        {
            // One more than is written tells whether there is more.
            var most = Math.Min(Chunk, limit - count);
            var position = last;
            rows = store.Read(sql => RecordStore.Page(sql, query, position, most + 1));
            foreach (var row in rows.Take(most))
            {
                WriteLine(context.Response.BodyWriter, row.Write);
                last = (row.Time, row.Id);
                count++;
            }

            await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
            if (rows.Count <= most)
            {
                rows = [];
            }
        }
        while (rows.Count > 0 && count < limit);

        var next = rows.Count > 0 ? new PageToken(scope, asOf, query.From, query.To, change, last!.Value.Time, last.Value.Id).ToString() : null;
        WriteLine(context.Response.BodyWriter, writer => JsonSerializer.Serialize(writer, new RecordPageEnd(true, count, next, next is null, change), RecorderJson.Options));
        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
    }

    private static void WriteLine(PipeWriter output, Action<Utf8JsonWriter> write)
    {
        using (var writer = new Utf8JsonWriter(output))
        {
            write(writer);
        }

        output.Write("\n"u8);
    }

    private static async Task ImportAsync(HttpContext context, CommandGate gate, RecorderStore store, RecorderOptions options)
    {
        var kind = Kind(context);
        var identity = RequestReader.CheckName(context.Request.Query["identity"].ToString(), "query value 'identity'");
        var lines = await ReadLinesAsync(context);
        await gate.RunUnkeyedAsync(context, sql =>
        {
            var duty = DutyStore.Find(sql, identity) ?? throw Refusal.UnknownIdentity(identity);
            var madeHere = new MaterialOrigin(store.MachineId, duty.Epoch);
            using var import = new RecordImport(sql);
            return Answer.Ok(new RecordImportAnswer([.. lines.Select(line => line.Record switch
            {
                null => new RecordImportResult(null, ImportOutcome.Rejected, line.Error),
                { } other when (other.Identity ?? identity) != identity || (other.Kind ?? kind) != kind => new RecordImportResult(null, ImportOutcome.Rejected, "The line's identity or kind is not the one it was sent to."),
                var record => record.ToRow(kind, identity, madeHere) is var row && options.IsAppendOnly && Backfills(sql, row) is { } end
                    ? new RecordImportResult(null, ImportOutcome.Rejected, $"This recorder takes records of kind {RecordDigest.Name(kind)} at their end only, and the newest of the channel is of {RecorderJson.FormatInstant(end)}.")
                    : import.Add(row),
            })]));
        });
    }

    /// <summary>The end of what is here when the record is new and lies before it; null otherwise.</summary>
    private static DateTimeOffset? Backfills(Sql sql, RecordRow row) =>
        RecordRules.IsStream(row.Kind) && RecordStore.LastTime(sql, row.Identity, row.Kind, row.ChannelId) is { } end && row.Time < end && RecordStore.Find(sql, row.Identity, row.Kind, row.Id) is null
            ? end
            : null;

    private static async Task<List<(IncomingRecord? Record, string? Error)>> ReadLinesAsync(HttpContext context)
    {
        var lines = new List<(IncomingRecord?, string?)>();
        var input = context.Request.BodyReader;
        while (true)
        {
            var read = await input.ReadAsync(context.RequestAborted);
            var buffer = read.Buffer;
            try
            {
                while (buffer.PositionOf((byte)'\n') is { } end)
                {
                    Take(buffer.Slice(0, end));
                    buffer = buffer.Slice(buffer.GetPosition(1, end));
                }

                if (read.IsCompleted)
                {
                    Take(buffer);
                    buffer = buffer.Slice(buffer.End);
                }
                else if (buffer.Length > LongestLine)
                {
                    throw TooLarge();
                }
            }
            catch (Refusal)
            {
                // The rest is taken off the wire by the server, or the caller would see a broken connection in place of the answer.
                input.AdvanceTo(read.Buffer.End);
                throw;
            }

            input.AdvanceTo(buffer.Start, read.Buffer.End);
            if (read.IsCompleted)
            {
                return lines;
            }
        }

        void Take(ReadOnlySequence<byte> line)
        {
            if (line.IsEmpty || (line.Length == 1 && line.FirstSpan[0] == '\r'))
            {
                return;
            }

            if (line.Length > LongestLine || lines.Count == LongestPage)
            {
                throw TooLarge();
            }

            try
            {
                var reader = new Utf8JsonReader(line);
                lines.Add((JsonSerializer.Deserialize<IncomingRecord>(ref reader, RecorderJson.Options), "The line is not a JSON object."));
            }
            catch (Exception error) when (error is JsonException or InvalidOperationException or ArgumentException)
            {
                lines.Add((null, "The line is not the JSON of a record with id and timeUtc."));
            }
        }
    }

    private static Refusal TooLarge() => new(
        StatusCodes.Status413PayloadTooLarge, RecorderProblems.TooLarge, $"At most {LongestPage} lines of at most {LongestLine} bytes are imported at once. Send less at once.");

    private static RecordKind Kind(HttpContext context) =>
        Kinds.TryGetValue(context.Request.RouteValues["kind"] as string ?? "", out var kind) ? kind : throw Refusal.Unknown($"There is no such kind of records. Kinds are {string.Join(", ", Kinds.Keys)}.");

    private static RecordQuery Query(HttpContext context)
    {
        var kind = Kind(context);
        var identity = context.Request.Query["identity"].ToString() is { Length: > 0 } named ? named : ReadGrant.Of(context)?.Identity;
        RequestReader.CheckName(identity, "query value 'identity'");
        ReadGrant.Check(context, identity);
        var (from, to) = RequestReader.RangeQuery(context);
        (from, to) = ReadGrant.Bound(context, from, to);
        var changedAfter = Text(context, "changedAfter");
        return new RecordQuery(
            kind,
            identity!,
            Text(context, "channelId") switch
            {
                null => null,
                "-" => "",
                var channel => RequestReader.CheckName(channel, "query value 'channelId'"),
            },
            from,
            to,
            changedAfter is null ? null : long.TryParse(changedAfter, NumberStyles.None, CultureInfo.InvariantCulture, out var sequence) ? sequence : throw Refusal.Malformed("The query value 'changedAfter' must be a whole number, the changeSequence of an earlier page."),
            Filter(context, "plate", kind == RecordKind.Anpr),
            Filter(context, "state", kind == RecordKind.Alarms),
            Filter(context, "alarmId", kind == RecordKind.Alarms),
            Text(context, "archive") is { } archive ? RequestReader.CheckName(archive, "query value 'archive'") : null);
    }

    private static string? Filter(HttpContext context, string name, bool fits) =>
        Text(context, name) is not { } text ? null
        : fits ? RequestReader.CheckText(text, $"query value '{name}'", 200)
        : throw Refusal.Malformed($"Records of this kind are not filtered by '{name}'.");

    private static string? Text(HttpContext context, string name) => context.Request.Query[name].ToString() is { Length: > 0 } text ? text : null;

    /// <summary>A line as it comes in. What is made here has no digest, dispute and origin yet.</summary>
    private sealed record IncomingRecord(
        string Id,
        DateTimeOffset TimeUtc,
        JsonElement Body,
        string? ChannelId = null,
        DateTimeOffset? ToUtc = null,
        long Revision = 1,
        RecordKind? Kind = null,
        string? Identity = null,
        string? Sha256 = null,
        DisputeState Disputed = DisputeState.None,
        MaterialOrigin? Origin = null)
    {
        public RecordRow ToRow(RecordKind kind, string identity, MaterialOrigin madeHere)
        {
            var row = RecordRow.Make(Id, kind, identity, ChannelId, TimeUtc, ToUtc, Revision, Disputed, Origin ?? madeHere, CanonicalJson.FindText(Body) ?? "");
            return row with { Sha256 = Sha256 ?? row.Sha256 };
        }
    }
}
