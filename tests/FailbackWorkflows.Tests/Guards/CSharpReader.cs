namespace FailbackWorkflows.Tests.Guards;

/// <summary>Finds the ends of strings and brackets in C# source, as far as the guards of the texts need it.</summary>
/// <param name="found">Gets each string on the way: where it begins, and what it says without the places of its values.</param>
internal sealed class CSharpReader(string source, Action<int, string>? found = null)
{
    /// <summary>Where the bracket that opens at <paramref name="at"/> has closed.</summary>
    public int AfterBrackets(int at)
    {
        var depth = 0;
        while (at < source.Length)
        {
            if (TrySkip(at, out var next))
            {
                at = next;
                continue;
            }

            depth += source[at] is '(' or '[' or '{' ? 1 : source[at] is ')' or ']' or '}' ? -1 : 0;
            at++;
            if (depth == 0)
            {
                return at;
            }
        }

        return at;
    }

    /// <summary>Commas between the things inside the brackets that open at <paramref name="at"/>.</summary>
    public int Commas(int at)
    {
        var (depth, commas) = (0, 0);
        do
        {
            if (TrySkip(at, out var next))
            {
                at = next;
                continue;
            }

            depth += source[at] is '(' or '[' or '{' ? 1 : source[at] is ')' or ']' or '}' ? -1 : 0;
            commas += source[at] == ',' && depth == 1 ? 1 : 0;
            at++;
        }
        while (depth > 0 && at < source.Length);
        return commas;
    }

    /// <summary>Passes over a string, a character or a comment.</summary>
    public bool TrySkip(int at, out int next)
    {
        next = at;
        if (Starts(at, "//"))
        {
            next = After(at, "\n");
        }
        else if (Starts(at, "/*"))
        {
            next = After(at, "*/");
        }
        else if (Starts(at, "@*"))
        {
            next = After(at, "*@");
        }
        else if (source[at] == '"' || Starts(at, "$\""))
        {
            next = AfterString(at);
        }
        else if (source[at] == '\'' && at + 2 < source.Length)
        {
            next = source[at + 1] == '\\' ? at + 4 : source[at + 2] == '\'' ? at + 3 : at + 1;
        }

        return next > at;
    }

    private int AfterString(int begin)
    {
        var hasPlaces = source[begin] == '$';
        var at = begin + (hasPlaces ? 2 : 1);
        var said = new System.Text.StringBuilder();
        while (at < source.Length && source[at] != '"')
        {
            if (hasPlaces && source[at] == '{' && !Starts(at, "{{"))
            {
                at = AfterBrackets(at);
                continue;
            }

            var width = source[at] == '\\' || (hasPlaces && Starts(at, "{{")) ? 2 : 1;
            said.Append(source, at, Math.Min(width, source.Length - at));
            at += width;
        }

        found?.Invoke(begin, said.ToString());
        return at + 1;
    }

    private bool Starts(int at, string text) => string.CompareOrdinal(source, at, text, 0, text.Length) == 0;

    private int After(int at, string end) => source.IndexOf(end, at, StringComparison.Ordinal) is >= 0 and var found ? found + end.Length : source.Length;
}
