using System.Globalization;

namespace FailbackWorkflows.Benchmarks;

/// <summary>Options of a command: <c>--name value</c>.</summary>
internal sealed class Options
{
    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);

    public static Options Read(string[] args)
    {
        var options = new Options();
        for (var i = 0; i < args.Length; i += 2)
        {
            if (!args[i].StartsWith("--", StringComparison.Ordinal) || i + 1 == args.Length)
            {
                throw new ArgumentException($"'{args[i]}' is not an option with a value.");
            }

            options._values[args[i][2..]] = args[i + 1];
        }

        return options;
    }

    public string Text(string name, string fallback) => _values.GetValueOrDefault(name, fallback);

    public int Number(string name, int fallback) => _values.TryGetValue(name, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : fallback;

    /// <summary>Several numbers: <c>1,8,16</c>.</summary>
    public IReadOnlyList<int> Numbers(string name, IReadOnlyList<int> fallback) =>
        _values.TryGetValue(name, out var text) ? [.. text.Split(',').Select(number => int.Parse(number, CultureInfo.InvariantCulture))] : fallback;
}
