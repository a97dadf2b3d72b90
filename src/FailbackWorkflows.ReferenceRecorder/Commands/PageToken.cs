using System.Buffers.Text;
using System.Globalization;
using System.Text;
using FailbackWorkflows.Recorders;

namespace FailbackWorkflows.ReferenceRecorder.Commands;

/// <summary>
/// Where a listing goes on. The token carries all of it, so it survives restarts and costs nothing to keep; a caller may read it but gains
/// nothing by making one up, because every page is checked like a first one.
/// </summary>
/// <param name="Scope">What is listed: a token of one listing is not understood by another.</param>
/// <param name="AsOf">When the listing began.</param>
/// <param name="ChangeSequence">Change sequence when the listing began; 0 for segments.</param>
/// <param name="LastTime">Position of the last item given, with <paramref name="LastId"/>.</param>
public sealed record PageToken(string Scope, DateTimeOffset AsOf, DateTimeOffset? From, DateTimeOffset? To, long ChangeSequence, DateTimeOffset LastTime, string LastId)
{
    private const string Version = "1";
    private const char Separator = '\n';

    public override string ToString() => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(string.Join(
        Separator,
        Version,
        Scope,
        Number(AsOf.UtcTicks),
        Number(From?.UtcTicks ?? -1),
        Number(To?.UtcTicks ?? -1),
        Number(ChangeSequence),
        Number(LastTime.UtcTicks),
        LastId)));

    /// <summary>The query's token; null on a first page. The range may be given again, but only the same.</summary>
    /// <exception cref="Refusal">It is not one of this listing. The answer says from when to list again.</exception>
    public static PageToken? Read(HttpContext context, string scope, DateTimeOffset? from, DateTimeOffset? to)
    {
        var text = context.Request.Query["pageToken"].ToString();
        if (text.Length == 0)
        {
            return null;
        }

        var token = Parse(text);
        return token is not null && token.Scope == scope && (from is null || token.From == from) && (to is null || token.To == to) ? token : throw Expired(from);
    }

    private static PageToken? Parse(string text)
    {
        if (text.Length > 2000 || !Base64Url.IsValid(text))
        {
            return null;
        }

        return Encoding.UTF8.GetString(Base64Url.DecodeFromChars(text)).Split(Separator) is [Version, var scope, var asOf, var from, var to, var change, var last, var id]
            && Instant(asOf) is { } asOfTime
            && TryOptional(from, out var fromTime)
            && TryOptional(to, out var toTime)
            && long.TryParse(change, NumberStyles.None, CultureInfo.InvariantCulture, out var sequence)
            && Instant(last) is { } lastTime
            && Names.IsItem(id)
                ? new PageToken(scope, asOfTime, fromTime, toTime, sequence, lastTime, id)
                : null;
    }

    private static Refusal Expired(DateTimeOffset? from) => new(
        StatusCodes.Status410Gone,
        RecorderProblems.PageTokenExpired,
        "The page token is not one that this recorder understands for this listing. List again from 'from', with the same range and without a token.")
    {
        From = from ?? DateTimeOffset.MinValue,
    };

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    private static DateTimeOffset? Instant(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var ticks) && ticks <= DateTimeOffset.MaxValue.UtcTicks ? new DateTimeOffset(ticks, TimeSpan.Zero) : null;

    private static bool TryOptional(string text, out DateTimeOffset? instant)
    {
        instant = Instant(text);
        return instant is not null || text == "-1";
    }
}
