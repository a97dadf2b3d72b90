using FailbackWorkflows.Failback.FailoverLog;

namespace FailbackWorkflows.Tests.Model.Paths;

/// <summary>What one recorder keeps of the failed server's duty, as the model has it.</summary>
/// <param name="Awaiting">0, or as <see cref="DutyRow.Awaiting"/>.</param>
public sealed record SeenServer(bool IsUp, bool IsCut, bool IsRecorder, long Epoch, string? Allocation, bool IsRecording, int Awaiting, bool IsFrozen);

/// <summary>An entry of the failover log that is not finalized, with the hold that its failover server keeps for it.</summary>
public sealed record SeenEntry(string Id, int Server, FailoverState Failover, FailbackState Failback, Hold Hold, bool IsCloseOwed);

/// <summary>
/// The real system at one moment, in the words of the model: database and recorders, for the failed server's identity. Servers are numbered
/// as in the model: 0 is the failed server itself.
/// </summary>
/// <param name="Why">What had just happened, for the message of a test that fails.</param>
/// <param name="Claim">What the run does that has the claim on the identity; null: nobody has it.</param>
/// <param name="Owed">A bit per server that must still be told to stop or stand by: it is written down, or a poll derives it from what the server does.</param>
public sealed record Observation(string Why, int Holder, long Epoch, string Allocation, string? Claim, int Owed, IReadOnlyList<SeenServer> Servers, IReadOnlyList<SeenEntry> Entries)
{
    /// <summary>Only the database was changed since the former observation, under a claim: no recorder was told anything.</summary>
    public bool IsBetweenCommits { get; init; }

    public bool IsSameAs(Observation other) =>
        (Holder, Epoch, Allocation, Claim, Owed) == (other.Holder, other.Epoch, other.Allocation, other.Claim, other.Owed)
        && Servers.SequenceEqual(other.Servers)
        && Entries.SequenceEqual(other.Entries);

    /// <summary>The server is recorder under the epoch and the allocation that the database has for it.</summary>
    public bool HasAuthority(int server) =>
        server == Holder && Servers[server].IsRecorder && Servers[server].Epoch == Epoch && Servers[server].Allocation == Allocation;

    /// <inheritdoc/>
    public override string ToString()
    {
        var servers = Servers.Select((s, i) =>
            $"{Move.NameOf(i)}:{(s.IsUp ? "" : "down ")}{(s.IsCut ? "cut " : "")}{(s.IsRecorder ? "recorder" : "standby")}/{s.Epoch}{(s.IsRecording ? " recording" : "")}{(s.Awaiting != 0 ? $" awaiting{s.Awaiting}" : "")}{(s.IsFrozen ? " frozen" : "")}{(HasAuthority(i) ? " authority" : "")}");
        var entries = Entries.Select(e => $"{e.Id}@{Move.NameOf(e.Server)} failover {e.Failover} failback {e.Failback} hold {e.Hold}{(e.IsCloseOwed ? " end owed" : "")}");
        return $"{Why}: holder {Move.NameOf(Holder)}/{Epoch}, claim {Claim ?? "free"}, owed {Owed:b} | {string.Join(" | ", servers)} | {string.Join("; ", entries)}";
    }
}
