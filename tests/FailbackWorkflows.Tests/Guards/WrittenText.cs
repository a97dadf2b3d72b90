using System.Text;
using System.Text.RegularExpressions;

namespace FailbackWorkflows.Tests.Guards;

/// <summary>
/// Reads a page (<c>.cshtml</c>) as far as is needed to tell which of its texts a person sees as they are written there: text between tags, attributes that are
/// shown or read out, and strings in its code that look like words for people. What comes from <c>T["…"]</c> or <c>Texts.Of("…")</c> is not among them.
/// </summary>
internal sealed partial class WrittenText
{
    private static readonly string[] Shown = ["alt", "aria-description", "aria-label", "aria-placeholder", "aria-roledescription", "aria-valuetext", "data-busy", "data-label", "label", "otherwise", "placeholder", "title"];
    private static readonly string[] Void = ["area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "!doctype"];
    private static readonly string[] Directives = ["page", "model", "using", "namespace", "inject", "addTagHelper", "removeTagHelper", "inherits", "implements", "attribute"];
    private static readonly string[] Statements = ["if", "for", "foreach", "while", "switch", "section", "functions", "try", "lock"];

    private readonly string page;
    private readonly CSharpReader code;
    private readonly List<string> found = [];
    private int at;

    private WrittenText(string page)
    {
        this.page = page;
        code = new CSharpReader(page, Literal);
    }

    public static IReadOnlyList<string> Of(string page)
    {
        var reader = new WrittenText(page);
        reader.Markup(isOneElement: false);
        return reader.found;
    }

    /// <summary>Strings of C# code that look like words for people. What is written for the audit log is data.</summary>
    public static IReadOnlyList<string> InCode(string source)
    {
        var found = new List<string>();
        All(source, (where, said) =>
        {
            if (ForPeople().IsMatch(said) && !NotShownLine().IsMatch(source[(source.LastIndexOf('\n', where) + 1)..where]) && !NotShown().IsMatch(source[..where]))
            {
                found.Add(said);
            }
        });
        return found;
    }

    private bool IsOver => at >= page.Length;

    private void Markup(bool isOneElement)
    {
        var depth = 0;
        var text = new StringBuilder();
        while (!IsOver)
        {
            if (Passes("<!--", "-->") || Passes("@*", "*@"))
            {
                continue;
            }

            if (page[at] == '@')
            {
                Razor(text);
            }
            else if (TagStart().IsMatch(page.AsSpan(at, Math.Min(3, page.Length - at))))
            {
                Keep(text);
                depth += Tag();
                if (isOneElement && depth <= 0)
                {
                    return;
                }
            }
            else
            {
                text.Append(page[at++]);
            }
        }

        Keep(text);
    }

    /// <summary>At an at sign in markup: a sign, a directive, a statement, a block or a value.</summary>
    private void Razor(StringBuilder text)
    {
        if (At("@@"))
        {
            text.Append('@');
            at += 2;
            return;
        }

        at++;
        if (IsOver)
        {
            return;
        }

        var word = Word().Match(page, at).Value;
        if (Directives.Contains(word) && !At("using ("))
        {
            at = page.IndexOf('\n', at) is >= 0 and var end ? end : page.Length;
        }
        else if (Statements.Contains(word) || At("using ("))
        {
            Statement();
        }
        else if (page[at] == '{')
        {
            Code();
        }
        else
        {
            Value();
        }
    }

    /// <summary>E.g. <c>Model.NameOf(id)</c>, <c>await X()</c> or something in brackets.</summary>
    private void Value()
    {
        if (At("await "))
        {
            at += "await ".Length;
        }

        at += Word().Match(page, at).Length;
        while (!IsOver)
        {
            if (page[at] is '(' or '[')
            {
                at = code.AfterBrackets(at);
            }
            else if (Member().Match(page, at) is { Success: true, Length: > 0 } member)
            {
                at += member.Length;
            }
            else
            {
                return;
            }
        }
    }

    /// <summary>A word such as <c>if</c>, what it asks, its block, and the blocks that go on from it.</summary>
    private void Statement()
    {
        do
        {
            while (!IsOver && page[at] != '{')
            {
                at = page[at] == '(' ? code.AfterBrackets(at) : at + 1;
            }

            Code();
        }
        while (Further().Match(page, at) is { Success: true });
    }

    /// <summary>A block of code, with elements in it.</summary>
    private void Code()
    {
        at++;
        var before = '{';
        while (!IsOver)
        {
            if (page[at] == '}')
            {
                at++;
                return;
            }

            if (page[at] == '{')
            {
                Code();
                before = '}';
            }
            else if (page[at] == '<' && before is '{' or '}' or ';' or ')' or ':' && TagStart().IsMatch(page.AsSpan(at, Math.Min(3, page.Length - at))))
            {
                Markup(isOneElement: true);
                before = '}';
            }
            else if (code.TrySkip(at, out var next))
            {
                at = next;
            }
            else
            {
                before = char.IsWhiteSpace(page[at]) || page[at] == '@' ? before : page[at];
                at = page[at] is '(' or '[' ? code.AfterBrackets(at) : at + 1;
                before = page[at - 1] is ')' ? ')' : before;
            }
        }
    }

    /// <summary>Passes over a tag. How much deeper the page is after it.</summary>
    private int Tag()
    {
        var name = TagName().Match(page, at).Groups[1].Value.ToLowerInvariant();
        var isEnd = At("</");
        at += 1 + (isEnd ? 1 : 0) + name.Length;
        while (!IsOver && page[at] != '>')
        {
            if (At("/>"))
            {
                at += 2;
                return 0;
            }

            if (Attribute().Match(page, at) is { Success: true, Length: > 0 } attribute)
            {
                at += attribute.Length;
                AttributeValue(name, attribute.Groups[1].Value);
            }
            else if (page[at] == '@')
            {
                at++;
                Value();
            }
            else
            {
                at++;
            }
        }

        at++;
        if (!isEnd && name is "script" or "style" && page.IndexOf($"</{name}", Math.Min(at, page.Length), StringComparison.OrdinalIgnoreCase) is >= 0 and var end)
        {
            at = end;
        }

        return isEnd ? -1 : Void.Contains(name) ? 0 : 1;
    }

    private void AttributeValue(string tag, string attribute)
    {
        var quote = page[at - 1];
        var text = new StringBuilder();
        var begin = at;
        while (!IsOver && page[at] != quote)
        {
            if (page[at] == '@')
            {
                Razor(text);
            }
            else
            {
                text.Append(page[at++]);
            }
        }

        at++;
        var isShown = Shown.Contains(attribute) || (attribute == "value" && tag == "input" && Button().IsMatch(page[..begin].Split('<')[^1]));
        if (isShown)
        {
            Keep(text);
        }
        else if (attribute is "model" or "of")
        {
            // A value for a part of the page or for a badge is code, with or without a sign before it.
            All(page[begin..(at - 1)], (where, said) => Literal(begin + where, said));
        }
    }

    private static void All(string source, Action<int, string> found)
    {
        var reader = new CSharpReader(source, found);
        for (var at = 0; at < source.Length; at = reader.TrySkip(at, out var next) ? next : at + 1)
        {
        }
    }

    private void Keep(StringBuilder text)
    {
        if (Entity().Replace(text.ToString(), " ").Any(char.IsLetter))
        {
            found.Add(Spaces().Replace(text.ToString(), " ").Trim());
        }

        text.Clear();
    }

    private void Literal(int where, string said)
    {
        if (ForPeople().IsMatch(said) && !NotShown().IsMatch(page[..where]))
        {
            found.Add(said);
        }
    }

    private bool At(string text) => string.CompareOrdinal(page, at, text, 0, text.Length) == 0;

    private bool Passes(string begin, string end)
    {
        if (!At(begin))
        {
            return false;
        }

        at = page.IndexOf(end, at, StringComparison.Ordinal) is >= 0 and var last ? last + end.Length : page.Length;
        return true;
    }

    [GeneratedRegex(@"^<[/!]?[A-Za-z]")]
    private static partial Regex TagStart();

    [GeneratedRegex(@"\G</?(!?[\w-]+)")]
    private static partial Regex TagName();

    [GeneratedRegex(@"\G([\w:.-]+)\s*=\s*[""']")]
    private static partial Regex Attribute();

    [GeneratedRegex(@"\G\w*")]
    private static partial Regex Word();

    [GeneratedRegex(@"\G(?:[!?]?\.(?=[A-Za-z_])\w+|!(?=[.\[(]))")]
    private static partial Regex Member();

    [GeneratedRegex(@"\G\s*(?:else|catch|finally)\b")]
    private static partial Regex Further();

    [GeneratedRegex(@"type=[""'](?:submit|button|reset)[""']")]
    private static partial Regex Button();

    [GeneratedRegex(@"&#?\w+;")]
    private static partial Regex Entity();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();

    /// <summary>A word that begins as a sentence does, or a word with a space beside it.</summary>
    [GeneratedRegex(@"^[A-Z][a-z]|[A-Za-z] |\s[A-Za-z]")]
    private static partial Regex ForPeople();

    /// <summary>What stands before a string that is a name or a key, or comes from the resources.</summary>
    [GeneratedRegex(@"(?:\bT\[|\bTexts\.Of\(|ViewData\[|TempData\[|Values\[|ToString\(|RenderSectionAsync\(|[!=]=)\s*$")]
    private static partial Regex NotShown();

    [GeneratedRegex(@"\b[Aa]udit\b|NoteAsync\(|TempData\[[^\]]*$|HtmlFormattableString\($")]
    private static partial Regex NotShownLine();
}
