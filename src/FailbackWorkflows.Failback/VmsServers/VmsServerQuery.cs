namespace FailbackWorkflows.Failback.VmsServers;

/// <summary>Servers in a state that somebody looks for.</summary>
public enum VmsServerFilter
{
    All,

    /// <summary>Marked broken: its duty was, or was to be, taken over.</summary>
    Broken,

    /// <summary>Not answering every poll: disconnected, unstable, or not asked yet.</summary>
    NotConnected,

    /// <summary>It has the duty of another server.</summary>
    ActingForOthers,

    /// <summary>Its last dry run, of the kind that counts now, found something in the way.</summary>
    NotReady,
}

/// <summary>A part of the registry, by name. Narrowed and cut in the database: a site may have ten thousand recorders.</summary>
public sealed record VmsServerQuery
{
    public const int MostPerPage = 200;
    public const int MostTextCharacters = 200;

    /// <summary>Of <see cref="After"/>: the longest id, what parts them, and the longest name.</summary>
    public const int MostMarkCharacters = 64 + 1 + 200;

    private const char MarkSeparator = '~';

    /// <summary>A part of its name, id, address or failover group, in any case; null: all.</summary>
    public string? Text { get; init; }

    public VmsServerFilter Filter { get; init; }

    /// <summary>
    /// Mark of the last server of the page before; null: from the beginning. Its id alone does too, as long as the server is there under the name it had.
    /// </summary>
    public string? After { get; init; }

    /// <summary>1 to <see cref="MostPerPage"/>; null: all.</summary>
    public int? Take { get; init; }

    /// <summary>What says where a page ended, whatever becomes of the server it ended with. No id contains what parts it from the name.</summary>
    public static string MarkOf(VmsServer server) => $"{server.Id}{MarkSeparator}{server.Name}";

    /// <summary>Id and name of a mark; without a name of an id alone.</summary>
    public static (string Id, string? Name) ReadMark(string mark) =>
        mark.IndexOf(MarkSeparator, StringComparison.Ordinal) is >= 0 and var end ? (mark[..end], mark[(end + 1)..]) : (mark, null);
}
