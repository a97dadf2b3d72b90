using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Idempotency;

/// <summary>Diagnostics: what this recorder did under which key, and what happened on its own.</summary>
public static class KeyEndpoints
{
    public static void MapKeys(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/idempotency-keys", (HttpContext context, RecorderStore store) =>
            Answer.Ok(new KeyList(store.Read(sql => KeyStore.List(sql, context.Request.Query["prefix"].ToString())))).WriteAsync(context))
            .Produces<KeyList>().WithSummary("Commands already answered, by key.");

        routes.MapGet("/v1/journal", (HttpContext context, RecorderStore store) =>
        {
            var text = context.Request.Query["after"].ToString();
            var after = 0L;
            if (text.Length > 0 && !long.TryParse(text, out after))
            {
                throw Refusal.Malformed("The query value 'after' must be a whole number, the sequence of the last entry seen.");
            }

            return Answer.Ok(new JournalList(store.Read(sql => RecorderJournal.List(sql, after)))).WriteAsync(context);
        }).Produces<JournalList>().WithSummary("The recorder's own journal, oldest first.");
    }
}

/// <summary>Answer of <c>GET /v1/idempotency-keys</c>.</summary>
public sealed record KeyList(IReadOnlyList<KnownKey> Items);

/// <summary>Answer of <c>GET /v1/journal</c>.</summary>
public sealed record JournalList(IReadOnlyList<JournalEntry> Items);
