using FailbackWorkflows.Server.Resources;
using Microsoft.AspNetCore.Html;
using Microsoft.AspNetCore.Razor.TagHelpers;

namespace FailbackWorkflows.Server.Pages.Servers;

/// <summary>A duty a server holds, as shown.</summary>
public sealed record HeldDutyView(string Of, long Epoch);

/// <summary><c>&lt;acts-as duties="…" /&gt;</c>: whose duties a server holds. The list of servers has it in every row, where a view of its own would cost a sixth of the page.</summary>
[HtmlTargetElement("acts-as", TagStructure = TagStructure.WithoutEndTag)]
public sealed class ActsAsTagHelper : TagHelper
{
    public required IReadOnlyList<HeldDutyView> Duties { get; set; }

    public override void Process(TagHelperContext context, TagHelperOutput output)
    {
        output.TagMode = TagMode.StartTagAndEndTag;
        if (Duties.Count == 0)
        {
            output.TagName = "span";
            output.Attributes.SetAttribute("class", "muted");
            output.Content.SetContent(Texts.Of("stands by"));
            return;
        }

        output.TagName = "ul";
        output.Attributes.SetAttribute("class", "plain-list");
        foreach (var duty in Duties)
        {
            output.Content.AppendHtml(new HtmlFormattableString("<li>{0} <span class=\"muted small\">{1}</span></li>", duty.Of, Texts.Of("epoch {0}", duty.Epoch)));
        }
    }
}
