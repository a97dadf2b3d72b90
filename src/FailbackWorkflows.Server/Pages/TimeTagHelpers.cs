using System.Globalization;
using Microsoft.AspNetCore.Razor.TagHelpers;

namespace FailbackWorkflows.Server.Pages;

/// <summary><c>&lt;instant at="…" /&gt;</c>: an instant in UTC; a script of ours turns it into the viewer's zone and leaves UTC in the title.</summary>
[HtmlTargetElement("instant", TagStructure = TagStructure.WithoutEndTag)]
public sealed class InstantTagHelper : TagHelper
{
    public DateTimeOffset? At { get; set; }

    /// <summary>What stands there when there is no instant.</summary>
    public string Otherwise { get; set; } = "–";

    public override void Process(TagHelperContext context, TagHelperOutput output)
    {
        output.TagMode = TagMode.StartTagAndEndTag;
        if (At is not { } at)
        {
            output.TagName = "span";
            output.Attributes.SetAttribute("class", "none");
            output.Content.SetContent(Otherwise);
            return;
        }

        var utc = at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);
        output.TagName = "time";
        output.Attributes.SetAttribute("datetime", at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
        output.Attributes.SetAttribute("title", utc);
        output.Content.SetContent(utc);
    }
}

/// <summary><c>&lt;duration from="…" to="…" /&gt;</c>: a length of time; while it has no end, a script of ours lets it grow.</summary>
[HtmlTargetElement("duration", TagStructure = TagStructure.WithoutEndTag)]
public sealed class DurationTagHelper(TimeProvider time) : TagHelper
{
    public DateTimeOffset? From { get; set; }

    public DateTimeOffset? To { get; set; }

    public override void Process(TagHelperContext context, TagHelperOutput output)
    {
        output.TagMode = TagMode.StartTagAndEndTag;
        output.TagName = "span";
        if (From is not { } from)
        {
            output.Attributes.SetAttribute("class", "none");
            output.Content.SetContent("–");
            return;
        }

        if (To is null)
        {
            output.Attributes.SetAttribute("data-since", from.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
        }

        output.Attributes.SetAttribute("class", "duration");
        output.Content.SetContent(Wording.Duration((To ?? time.GetUtcNow()) - from));
    }
}
