using System.Net;
using System.Text.RegularExpressions;

namespace FailbackWorkflows.Tests.Server;

/// <summary>An element of a page, as far as tests ask for it. The pages close what they open, so nothing is guessed.</summary>
internal sealed partial class PageElement
{
    private static readonly HashSet<string> Empty = ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];

    private readonly List<object> content = [];

    private PageElement(string name, IReadOnlyDictionary<string, string> attributes, PageElement? parent)
    {
        Name = name;
        Attributes = attributes;
        Parent = parent;
    }

    public string Name { get; }

    public IReadOnlyDictionary<string, string> Attributes { get; }

    public PageElement? Parent { get; }

    public IEnumerable<PageElement> Ancestors => Parent is null ? [] : Parent.Ancestors.Prepend(Parent);

    /// <summary>This element and all in it, in the order of the page.</summary>
    public IEnumerable<PageElement> All => content.OfType<PageElement>().SelectMany(child => child.All).Prepend(this);

    /// <summary>What can be read in it, in one line.</summary>
    public string Text => Spaces().Replace(RawText, " ").Trim();

    private string RawText => string.Concat(content.Select(part => part is PageElement child ? child.RawText : (string)part));

    public string? Of(string attribute) => Attributes.GetValueOrDefault(attribute);

    public bool HasClass(string name) => Of("class")?.Split(' ').Contains(name) == true;

    public static PageElement Read(string html)
    {
        var page = new PageElement("", new Dictionary<string, string>(), null);
        var open = page;
        foreach (Match part in Part().Matches(html))
        {
            var name = part.Groups["name"].Value.ToLowerInvariant();
            if (part.Groups["text"].Success)
            {
                open.content.Add(WebUtility.HtmlDecode(part.Value));
            }
            else if (part.Groups["end"].Success)
            {
                open = open.Name == name ? open.Parent! : throw new FormatException($"</{name}> closes a <{open.Name}>: {open.Text}");
            }
            else if (name.Length > 0)
            {
                var attributes = Attribute().Matches(part.Groups["attributes"].Value).ToDictionary(a => a.Groups["key"].Value.ToLowerInvariant(), a => WebUtility.HtmlDecode(a.Groups["value"].Value));
                var element = new PageElement(name, attributes, open);
                open.content.Add(element);
                open = Empty.Contains(name) || part.Groups["alone"].Length > 0 ? open : element;
            }
        }

        return open == page ? page : throw new FormatException($"A <{open.Name}> is not closed.");
    }

    [GeneratedRegex("""<!--.*?-->|<![^>]*>|<(?<end>/)?(?<name>[A-Za-z][\w-]*)(?<attributes>(?:\s+[^\s=>/]+(?:="[^"]*"|='[^']*')?)*)\s*(?<alone>/?)>|(?<text>[^<]+)""", RegexOptions.Singleline)]
    private static partial Regex Part();

    [GeneratedRegex("""(?<key>[^\s=>/]+)(?:="(?<value>[^"]*)"|='(?<value>[^']*)')?""")]
    private static partial Regex Attribute();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}
