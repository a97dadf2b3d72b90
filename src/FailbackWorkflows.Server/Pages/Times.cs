using System.Globalization;
using Microsoft.AspNetCore.Html;

namespace FailbackWorkflows.Server.Pages;

/// <summary>Instants and lengths of time as the pages show them: what the tag helpers make, for the places of a sentence.</summary>
public sealed class Times(TimeProvider time)
{
    private const string Exact = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";

    /// <summary>An instant in UTC; a script of ours turns it into the viewer's zone and leaves UTC in the title.</summary>
    /// <param name="otherwise">What stands there when there is no instant.</param>
    public IHtmlContent Instant(DateTimeOffset? at, string otherwise = "–")
    {
        if (at is not { } instant)
        {
            return new HtmlFormattableString("<span class=\"none\">{0}</span>", otherwise);
        }

        var utc = instant.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);
        return new HtmlFormattableString("<time datetime=\"{0}\" title=\"{1}\">{1}</time>", instant.UtcDateTime.ToString(Exact, CultureInfo.InvariantCulture), utc);
    }

    /// <summary>A length of time; while it has no end, a script of ours lets it grow.</summary>
    public IHtmlContent Duration(DateTimeOffset? from, DateTimeOffset? to = null)
    {
        if (from is not { } start)
        {
            return new HtmlFormattableString("<span class=\"none\">{0}</span>", "–");
        }

        var span = (to ?? time.GetUtcNow()) - start;
        var length = Wording.Duration(span);
        return to is null
            ? new HtmlFormattableString("<span data-since=\"{0}\" data-length=\"{1}\" class=\"duration\">{2}</span>", start.UtcDateTime.ToString(Exact, CultureInfo.InvariantCulture), (long)span.TotalMilliseconds, length)
            : new HtmlFormattableString("<span class=\"duration\">{0}</span>", length);
    }
}
