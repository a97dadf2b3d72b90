using System.Diagnostics.CodeAnalysis;

namespace FailbackWorkflows.Server.Api;

/// <summary>Collects what is wrong with the fields of a request, so that a client hears of all of it at once.</summary>
internal sealed class FieldErrors
{
    private readonly Dictionary<string, string[]> errors = [];

    public bool Any => errors.Count > 0;

    /// <summary>For a page: "Name: It is missing or empty."</summary>
    public IReadOnlyList<string> Sentences => [.. errors.Select(error => $"{error.Key}: {error.Value[0]}")];

    public void Add(string field, string sentence) => errors.TryAdd(field, [sentence]);

    /// <summary>Text that must be there.</summary>
    public bool Required(string field, [NotNullWhen(true)] string? value, int mostCharacters)
    {
        if (string.IsNullOrWhiteSpace(value))
        {
            Add(field, "It is missing or empty.");
            return false;
        }

        return Optional(field, value, mostCharacters);
    }

    /// <summary>Text that may be left out. Characters that no keyboard types into such a field (control characters, half surrogates) are refused: databases and logs choke on them.</summary>
    public bool Optional(string field, string? value, int mostCharacters)
    {
        if (value is null)
        {
            return true;
        }

        if (value.Length > mostCharacters)
        {
            Add(field, $"It may have at most {mostCharacters} characters.");
        }
        else if (value.Any(c => char.IsControl(c) && c is not ('\n' or '\r' or '\t')) || !IsWellFormed(value))
        {
            Add(field, "It contains characters that are not text.");
        }
        else
        {
            return true;
        }

        return false;
    }

    public bool Between(string field, int value, int least, int most)
    {
        if (value < least || value > most)
        {
            Add(field, $"It must be from {least} to {most}.");
            return false;
        }

        return true;
    }

    public bool Between(string field, TimeSpan value, TimeSpan least, TimeSpan most)
    {
        if (value < least || value > most)
        {
            Add(field, $"It must be from {least:c} to {most:c}.");
            return false;
        }

        return true;
    }

    public Problem ToProblem() => new(Problems.InvalidFields, "Nothing was changed. Correct the fields named in 'errors', then send the request again.") { Errors = errors };

    private static bool IsWellFormed(string value)
    {
        for (var i = 0; i < value.Length; i++)
        {
            if (char.IsHighSurrogate(value[i]) && i + 1 < value.Length && char.IsLowSurrogate(value[i + 1]))
            {
                i++;
            }
            else if (char.IsSurrogate(value[i]))
            {
                return false;
            }
        }

        return true;
    }
}
