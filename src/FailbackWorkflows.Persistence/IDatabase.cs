using FailbackWorkflows.Persistence.Postgres;

namespace FailbackWorkflows.Persistence;

/// <summary>The database behind all stores: one model, one kind of transaction, whatever the product.</summary>
public interface IDatabase
{
    /// <summary>
    /// Keeps other management servers from starting on the same database until what it answers is disposed, waiting for those that are about it. Where there can be no
    /// other, nothing happens. Throws <see cref="DatabaseNotOpenedException"/> when the database does not answer.
    /// </summary>
    Task<IAsyncDisposable> EnterStartAsync(CancellationToken cancellationToken);

    /// <summary>Applies pending migrations. Called once at start, before anything else.</summary>
    Task MigrateAsync(CancellationToken cancellationToken);

    /// <summary>A context for reading; nothing is tracked.</summary>
    FailbackDbContext CreateReadContext();

    /// <summary>Begins a write transaction, waiting for its turn where writers queue; the session must be disposed.</summary>
    Task<WriteSession> BeginWriteAsync(CancellationToken cancellationToken);

    /// <summary>
    /// As <see cref="BeginWriteAsync"/>, and where there can be several writers without waiting behind a crowd of them: for what keeps a lease or the watch, which is lost when it comes too
    /// late, and of which there is little.
    /// </summary>
    Task<WriteSession> BeginUrgentWriteAsync(CancellationToken cancellationToken) => BeginWriteAsync(cancellationToken);

    /// <summary>Transactions committed so far, for whoever measures.</summary>
    long Commits { get; }

    /// <summary>What needs no answer on its way goes out together with that of others; null: writers come one after the other.</summary>
    internal SharedTransactions? Shared => null;

    /// <summary>An instant as this database stores it in a parameter.</summary>
    object ToParameter(DateTimeOffset instant);

    /// <summary>True when the exception says that a unique index refused a row.</summary>
    bool IsUniqueViolation(Exception exception);

    /// <summary>
    /// True when the transaction was refused, and nothing of it written, because of what others have written since it looked: done once more it
    /// may well succeed. Never true where writers queue.
    /// </summary>
    bool IsOvertaken(Exception exception);

    /// <summary>True when the exception says that there is no database at this moment: its server or the way to it is gone, or takes no more sessions.</summary>
    bool IsAway(Exception exception);

    /// <summary>Throws when the database cannot be read and written now.</summary>
    Task CheckAsync(CancellationToken cancellationToken);
}

/// <summary>Writing for stores.</summary>
internal static class DatabaseWriting
{
    /// <summary>How often a transaction is done in all that others keep overtaking.</summary>
    public const int MostTries = 5;

    /// <summary>Runs <paramref name="write"/> in a transaction of its own and commits it; once more, from its beginning, when it was overtaken.</summary>
    public static Task<T> WriteAsync<T>(this IDatabase database, Func<WriteSession, Task<T>> write, CancellationToken cancellationToken) =>
        database.RepeatAsync(database.BeginWriteAsync, write, cancellationToken);

    /// <summary>The same, in a transaction of <see cref="IDatabase.BeginUrgentWriteAsync"/>.</summary>
    public static Task<T> WriteUrgentlyAsync<T>(this IDatabase database, Func<WriteSession, Task<T>> write, CancellationToken cancellationToken) =>
        database.RepeatAsync(database.BeginUrgentWriteAsync, write, cancellationToken);

    /// <inheritdoc cref="WriteAsync{T}"/>
    public static Task WriteAsync(this IDatabase database, Func<WriteSession, Task> write, CancellationToken cancellationToken) => database.WriteAsync(
        async session =>
        {
            await write(session);
            return true;
        },
        cancellationToken);

    private static async Task<T> RepeatAsync<T>(
        this IDatabase database, Func<CancellationToken, Task<WriteSession>> begin, Func<WriteSession, Task<T>> write, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await using var session = await begin(cancellationToken);
                var result = await write(session);
                await session.CommitAsync(cancellationToken);
                return result;
            }
            catch (Exception exception) when (attempt < MostTries && database.IsOvertaken(exception))
            {
                // Nothing of it was written. The next look sees what got in its way.
            }
        }
    }
}
