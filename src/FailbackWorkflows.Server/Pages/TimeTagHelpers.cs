using Microsoft.AspNetCore.Razor.TagHelpers;

namespace FailbackWorkflows.Server.Pages;

/// <summary><c>&lt;instant at="…" /&gt;</c>: an instant in UTC; a script of ours turns it into the viewer's zone and leaves UTC in the title.</summary>
[HtmlTargetElement("instant", TagStructure = TagStructure.WithoutEndTag)]
public sealed class InstantTagHelper(Times times) : TagHelper
{
    public DateTimeOffset? At { get; set; }

    /// <summary>What stands there when there is no instant.</summary>
    public string Otherwise { get; set; } = "–";

    public override void Process(TagHelperContext context, TagHelperOutput output)
    {
        output.TagName = null;
        output.Content.SetHtmlContent(times.Instant(At, Otherwise));
    }
}

/// <summary><c>&lt;duration from="…" to="…" /&gt;</c>: a length of time; while it has no end, a script of ours lets it grow.</summary>
[HtmlTargetElement("duration", TagStructure = TagStructure.WithoutEndTag)]
public sealed class DurationTagHelper(Times times) : TagHelper
{
    public DateTimeOffset? From { get; set; }

    public DateTimeOffset? To { get; set; }

    public override void Process(TagHelperContext context, TagHelperOutput output)
    {
        output.TagName = null;
        output.Content.SetHtmlContent(times.Duration(From, To));
    }
}
