using Microsoft.AspNetCore.Razor.TagHelpers;

namespace FailbackWorkflows.Server.Pages;

/// <summary><c>&lt;badge of="…" /&gt;</c>: a state in a word and a colour. A list has hundreds of them, and each as a view of its own cost more than the rest of its row.</summary>
[HtmlTargetElement("badge", TagStructure = TagStructure.WithoutEndTag)]
public sealed class BadgeTagHelper : TagHelper
{
    public required Badge Of { get; set; }

    public override void Process(TagHelperContext context, TagHelperOutput output)
    {
        output.TagName = "span";
        output.TagMode = TagMode.StartTagAndEndTag;

        // At once: a class that is added to others has those taken apart and encoded again.
        output.Attributes.SetAttribute("class", string.Join(' ', "badge", Of.Tone));
        output.Content.SetContent(Of.Text);
    }
}
