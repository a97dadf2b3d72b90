using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Access;

/// <summary>A read token as it is kept: everything but the token, which is derived from this and the machine's secret.</summary>
public sealed record ReadTokenRow(string TokenId, string Identity, DateTimeOffset From, DateTimeOffset To, int Generation, string Reason, DateTimeOffset? RevokedAt);

/// <summary>Read tokens: issued, rotated, revoked, recognised.</summary>
public static class ReadTokenStore
{
    private const string Prefix = "frt.";

    public static ReadTokenRow? Find(Sql sql, string tokenId) =>
        sql.Single(
            "SELECT token_id, identity, from_ticks, to_ticks, generation, reason, revoked_at FROM read_tokens WHERE token_id = $id",
            r => new ReadTokenRow(r.GetString(0), r.GetString(1), r.Instant(2), r.Instant(3), r.GetInt32(4), r.GetString(5), r.InstantOrNull(6)),
            ("$id", tokenId));

    /// <summary>Issues a token, or the same again. A larger generation ends the former, and begins anew after a revocation.</summary>
    /// <exception cref="Refusal">The id means another token.</exception>
    public static ReadTokenRow Put(Sql sql, string tokenId, ReadTokenRequest request)
    {
        var row = new ReadTokenRow(tokenId, request.Identity, request.FromUtc, request.ToUtc, request.Generation, request.Reason, null);
        if (Find(sql, tokenId) is { } known)
        {
            var isSame = known.Generation == row.Generation && known.From == row.From && known.To == row.To && known.RevokedAt is null;
            if (known.Identity != row.Identity || known.Generation > row.Generation || (known.Generation == row.Generation && !isSame))
            {
                throw new Refusal(
                    StatusCodes.Status409Conflict,
                    RecorderProblems.ReadTokenConflict,
                    $"Read token '{tokenId}' exists for '{known.Identity}' in generation {known.Generation}{(known.RevokedAt is null ? "" : ", revoked")}. Give a larger generation to change its period or to issue it anew; another identity needs an id of its own.");
            }
        }

        sql.Run(
            """
            INSERT INTO read_tokens (token_id, identity, from_ticks, to_ticks, generation, reason) VALUES ($id, $identity, $from, $to, $generation, $reason)
            ON CONFLICT (token_id) DO UPDATE SET from_ticks = $from, to_ticks = $to, generation = $generation, reason = $reason, revoked_at = NULL
            """,
            ("$id", tokenId), ("$identity", row.Identity), ("$from", row.From.UtcTicks), ("$to", row.To.UtcTicks), ("$generation", row.Generation), ("$reason", row.Reason));
        return row;
    }

    /// <summary>Ends a token; harmless when there is none.</summary>
    public static bool Revoke(Sql sql, string tokenId, string identity, DateTimeOffset now) =>
        sql.Run("UPDATE read_tokens SET revoked_at = $now WHERE token_id = $id AND identity = $identity AND revoked_at IS NULL", ("$id", tokenId), ("$identity", identity), ("$now", now.UtcTicks)) > 0;

    /// <summary>The token itself, made from what it stands for.</summary>
    public static string Derive(byte[] machineSecret, string tokenId, string identity, DateTimeOffset from, DateTimeOffset to, int generation)
    {
        var content = string.Create(CultureInfo.InvariantCulture, $"read-token|{tokenId}|{identity}|{from.UtcTicks}|{to.UtcTicks}|{generation}");
        return $"{Prefix}{tokenId}.{Base64Url.EncodeToString(HMACSHA256.HashData(machineSecret, Encoding.UTF8.GetBytes(content)))}";
    }

    /// <summary>What an <c>Authorization</c> header with a read token grants; null when it is none, or not one that is valid now.</summary>
    public static ReadGrant? Recognise(RecorderStore store, string authorization)
    {
        const string scheme = "Bearer " + Prefix;
        var end = authorization.LastIndexOf('.');
        if (!authorization.StartsWith(scheme, StringComparison.Ordinal) || authorization.Length > 400 || end <= scheme.Length)
        {
            return null;
        }

        var tokenId = authorization[scheme.Length..end];
        if (!Names.IsItem(tokenId) || store.Read(sql => Find(sql, tokenId)) is not { RevokedAt: null } row)
        {
            return null;
        }

        var expected = Derive(store.MachineSecret, row.TokenId, row.Identity, row.From, row.To, row.Generation);
        return CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes("Bearer " + expected), Encoding.UTF8.GetBytes(authorization))
            ? new ReadGrant(row.TokenId, row.Identity, row.From, row.To)
            : null;
    }
}
