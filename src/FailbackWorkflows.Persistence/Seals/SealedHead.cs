using System.Globalization;
using System.Text.Json;
using FailbackWorkflows.Engine.Journal;

namespace FailbackWorkflows.Persistence.Seals;

/// <summary>How far a chain had come when it was sealed.</summary>
/// <param name="Chain">Id of a run, or <see cref="AuditChain.Name"/>.</param>
/// <param name="Sequence">Number of its last event.</param>
/// <param name="Head">Hash of that event, lower-case hex.</param>
public sealed record SealedHead(string Chain, long Sequence, string Head)
{
    /// <summary>The line that is a leaf of a checkpoint's tree.</summary>
    public string Line => string.Create(CultureInfo.InvariantCulture, $$"""{"chain":{{JournalChain.Quote(Chain)}},"head":{{JournalChain.Quote(Head)}},"sequence":{{Sequence}},"v":1}""");

    /// <summary>Reads a leaf again. Throws <see cref="FormatException"/> when it is none.</summary>
    public static SealedHead Parse(JsonElement leaf)
    {
        try
        {
            return new(leaf.GetProperty("chain").GetString()!, leaf.GetProperty("sequence").GetInt64(), leaf.GetProperty("head").GetString()!);
        }
        catch (Exception exception) when (exception is KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new FormatException("A sealed head lacks its chain, sequence or head.", exception);
        }
    }
}
