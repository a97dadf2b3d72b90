using System.Globalization;
using FailbackWorkflows.Engine.Library;

namespace FailbackWorkflows.Server.Studio.Definitions;

/// <summary>Elsa's word for which versions are meant: <c>Latest</c>, <c>Published</c>, …, a number; nothing: all.</summary>
internal readonly record struct VersionOptions(VersionChoice Choice, int? Version)
{
    public static VersionOptions Parse(string? text, VersionChoice otherwise = VersionChoice.All) => text?.Trim() switch
    {
        null or "" => new(otherwise, null),
        "AllVersions" or "All" => new(VersionChoice.All, null),
        { } number when int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var version) => new(VersionChoice.Number, version),
        { } word when Enum.TryParse<VersionChoice>(word, ignoreCase: true, out var choice) && choice != VersionChoice.Number => new(choice, null),
        _ => new(otherwise, null),
    };
}
