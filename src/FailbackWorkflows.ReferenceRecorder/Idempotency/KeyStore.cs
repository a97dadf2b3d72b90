using FailbackWorkflows.Recorders;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Idempotency;

/// <summary>Keys of commands already answered. A key is stored in the transaction of its effect, so that neither exists without the other.</summary>
public static class KeyStore
{
    /// <summary>How long a key is kept, at least.</summary>
    public static readonly TimeSpan KeptFor = TimeSpan.FromDays(31);

    /// <summary>The remembered answer, or null when the key is new.</summary>
    /// <exception cref="Refusal">The key belongs to another request.</exception>
    public static Answer? Find(Sql sql, string key, string requestHash)
    {
        var known = sql.Single(
            "SELECT request_hash, status, body FROM idempotency_keys WHERE key = $key",
            r => (Hash: r.GetString(0), Answer: new Answer(r.GetInt32(1), r.GetString(2), IsReplay: true)),
            ("$key", key));
        if (known.Answer is null)
        {
            return null;
        }

        if (known.Hash != requestHash)
        {
            throw new Refusal(
                StatusCodes.Status422UnprocessableEntity,
                RecorderProblems.KeyReused,
                "The idempotency key was already used for another request. Give every command a key of its own.");
        }

        sql.Run("UPDATE idempotency_keys SET replays = replays + 1 WHERE key = $key", ("$key", key));
        return known.Answer;
    }

    public static void Remember(Sql sql, string key, HttpRequest request, string requestHash, Answer answer, bool tookEffect, DateTimeOffset at) =>
        sql.Run(
            """
            INSERT INTO idempotency_keys (key, method, path, request_hash, status, body, at, effect_count)
            VALUES ($key, $method, $path, $hash, $status, $body, $at, $effects)
            """,
            ("$key", key), ("$method", request.Method), ("$path", request.Path.Value), ("$hash", requestHash),
            ("$status", answer.Status), ("$body", answer.Body), ("$at", at.UtcTicks), ("$effects", tookEffect ? 1 : 0));

    public static int Purge(Sql sql, DateTimeOffset now) =>
        sql.Run("DELETE FROM idempotency_keys WHERE at < $before", ("$before", (now - KeptFor).UtcTicks));

    public static List<KnownKey> List(Sql sql, string prefix) =>
        sql.Query(
            "SELECT key, method, path, status, at, effect_count, replays FROM idempotency_keys WHERE substr(key, 1, length($prefix)) = $prefix ORDER BY at, key LIMIT 10000",
            r => new KnownKey(r.GetString(0), r.GetString(1), r.GetString(2), r.GetInt32(3), r.Instant(4), r.GetInt32(5), r.GetInt32(6)),
            ("$prefix", prefix));
}

/// <summary>The recorder's own record of a command.</summary>
/// <param name="EffectCount">1 when it took effect, 0 when it was definitively refused.</param>
/// <param name="Replays">How often the remembered answer was given again.</param>
public sealed record KnownKey(string Key, string Method, string Path, int Status, DateTimeOffset AtUtc, int EffectCount, int Replays);
