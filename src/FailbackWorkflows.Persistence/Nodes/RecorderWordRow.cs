using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Recorders.Duties;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace FailbackWorkflows.Persistence.Nodes;

/// <summary>What a recorder said last of a duty to whoever is on watch.</summary>
internal sealed class RecorderWordRow
{
    public required string Identity { get; set; }

    public required string ServerId { get; set; }

    public DutyRole AssignedRole { get; set; }

    public long Epoch { get; set; }

    public string? AllocationId { get; set; }

    public long Fence { get; set; }

    /// <summary>Never falls; so does not the next one.</summary>
    public long LargestEpoch { get; set; }

    public long LargestFence { get; set; }

    public DateTimeOffset AskedAt { get; set; }

    public static void Configure(EntityTypeBuilder<RecorderWordRow> row)
    {
        row.ToTable("recorder_words");
        row.HasKey(r => new { r.Identity, r.ServerId });
        row.Property(r => r.AssignedRole).HasConversion<string>();
    }

    public RecorderWord ToWord() => new(ServerId, Identity, AssignedRole, Epoch, AllocationId, Fence, LargestEpoch, LargestFence, AskedAt);
}

internal sealed class KeepRecorderWordsHandler(IDatabase database) : DomainChangeHandler<KeepRecorderWords>
{
    protected override async Task ApplyAsync(WriteSession session, KeepRecorderWords change, CancellationToken cancellationToken)
    {
        // One that was paused between its answer and this must not write over what the next one has heard since.
        await RequireWatchTermHandler.RequireAsync(session, change.Term, cancellationToken);
        foreach (var word in change.Words)
        {
            await session.ExecuteAsync(
                $"""
                INSERT INTO recorder_words (identity, server_id, assigned_role, epoch, allocation_id, fence, largest_epoch, largest_fence, asked_at)
                SELECT @identity, @server, @role, @epoch, CAST(@allocation AS text), @fence, @epoch, @fence, @asked FROM servers WHERE id = @server{session.Dialect.HoldKey}
                ON CONFLICT (identity, server_id) DO UPDATE SET assigned_role = excluded.assigned_role, epoch = excluded.epoch, allocation_id = excluded.allocation_id, fence = excluded.fence,
                    largest_epoch = CASE WHEN recorder_words.largest_epoch > excluded.epoch THEN recorder_words.largest_epoch ELSE excluded.epoch END,
                    largest_fence = CASE WHEN recorder_words.largest_fence > excluded.fence THEN recorder_words.largest_fence ELSE excluded.fence END,
                    asked_at = excluded.asked_at
                """,
                cancellationToken,
                ("identity", word.Identity),
                ("server", word.ServerId),
                ("role", word.AssignedRole.ToString()),
                ("epoch", word.Epoch),
                ("allocation", word.AllocationId),
                ("fence", word.Fence),
                ("asked", database.ToParameter(word.AskedAt)));
        }
    }
}

internal sealed class SetRecorderWordsAsideHandler(IDatabase database) : DomainChangeHandler<SetRecorderWordsAside>
{
    protected override Task ApplyAsync(WriteSession session, SetRecorderWordsAside change, CancellationToken cancellationToken) => session.ExecuteAsync(
        "UPDATE recorder_words SET assigned_role = @role, epoch = 0, allocation_id = NULL, fence = 0, asked_at = @at WHERE server_id = @server",
        cancellationToken,
        ("role", nameof(DutyRole.Standby)),
        ("at", database.ToParameter(change.At)),
        ("server", change.ServerId));
}

internal sealed class RequireWatchTermHandler : DomainChangeHandler<RequireWatchTerm>
{
    protected override Task ApplyAsync(WriteSession session, RequireWatchTerm change, CancellationToken cancellationToken) => RequireAsync(session, change.Term, cancellationToken);

    /// <summary>Throws unless the watch has this term; then it has it until the commit.</summary>
    internal static async Task RequireAsync(WriteSession session, long expected, CancellationToken cancellationToken)
    {
        await using var command = session.Command($"SELECT term FROM watches WHERE name = @name{session.Dialect.Hold}", ("name", WatchRow.Polls));
        if (await command.ExecuteScalarAsync(cancellationToken) is not long term || term != expected)
        {
            throw new ConcurrentChangeException("The watch");
        }
    }
}

internal sealed class RecorderWords(IDatabase database) : IRecorderWords
{
    private static readonly CompiledList<string, RecorderWordRow> OfIdentity = new((db, identity) => db.RecorderWords.Where(r => r.Identity == identity).OrderBy(r => r.ServerId));
    private static readonly CompiledList<int, RecorderWordRow> All = new((db, _) => db.RecorderWords);

    private static readonly CompiledList<int, string> Ahead = new((db, _) =>
        (from word in db.RecorderWords
         join granted in db.Duties on word.Identity equals granted.Identity into known
         from duty in known.DefaultIfEmpty()
         where duty == null
             ? word.AssignedRole == DutyRole.Recorder && word.Identity != word.ServerId
             : word.LargestEpoch > duty.Epoch
                 || word.LargestFence > duty.Fence
                 || (word.AssignedRole == DutyRole.Recorder && word.Epoch == duty.Epoch && word.AllocationId != null && word.AllocationId != duty.AllocationId)
         select word.Identity).Distinct());

    public bool AreKept => true;

    public Task<IReadOnlyList<RecorderWord>> ListAsync(string identity, CancellationToken cancellationToken) => OfIdentity.ExecuteAsync(database, identity, r => r.ToWord(), cancellationToken);

    public Task<IReadOnlyList<RecorderWord>> ListAsync(CancellationToken cancellationToken) => All.ExecuteAsync(database, 0, r => r.ToWord(), cancellationToken);

    public Task<IReadOnlyList<string>> ListAheadAsync(CancellationToken cancellationToken) => Ahead.ExecuteAsync(database, 0, identity => identity, cancellationToken);
}
