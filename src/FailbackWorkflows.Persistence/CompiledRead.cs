using System.Collections.Concurrent;
using System.Linq.Expressions;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;

namespace FailbackWorkflows.Persistence;

/// <summary>
/// A read of the hot path. Its expression is translated once per model (that is, per database product) instead of being built, visited and
/// looked up at each call, which costs more than the read itself. Keep it in a static field, and use that field with contexts that track or
/// with contexts that do not, never with both: the translation knows which.
/// </summary>
internal sealed class CompiledRead<TArgument, TResult>(Expression<Func<FailbackDbContext, TArgument, CancellationToken, TResult>> query)
{
    private readonly ConcurrentDictionary<IModel, Func<FailbackDbContext, TArgument, CancellationToken, Task<TResult>>> _byModel = new();

    public async Task<TResult> ExecuteAsync(IDatabase database, TArgument argument, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await ExecuteAsync(db, argument, cancellationToken);
    }

    public Task<TResult> ExecuteAsync(FailbackDbContext db, TArgument argument, CancellationToken cancellationToken) =>
        _byModel.GetOrAdd(db.Model, static (_, q) => EF.CompileAsyncQuery(q), query)(db, argument, cancellationToken);
}

/// <inheritdoc/>
internal sealed class CompiledRead<TFirst, TSecond, TResult>(Expression<Func<FailbackDbContext, TFirst, TSecond, CancellationToken, TResult>> query)
{
    private readonly ConcurrentDictionary<IModel, Func<FailbackDbContext, TFirst, TSecond, CancellationToken, Task<TResult>>> _byModel = new();

    public async Task<TResult> ExecuteAsync(IDatabase database, TFirst first, TSecond second, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await ExecuteAsync(db, first, second, cancellationToken);
    }

    public Task<TResult> ExecuteAsync(FailbackDbContext db, TFirst first, TSecond second, CancellationToken cancellationToken) =>
        _byModel.GetOrAdd(db.Model, static (_, q) => EF.CompileAsyncQuery(q), query)(db, first, second, cancellationToken);
}

/// <summary>A read of the hot path that gives many rows. As <see cref="CompiledRead{TArgument, TResult}"/>.</summary>
internal sealed class CompiledList<TArgument, TItem>(Expression<Func<FailbackDbContext, TArgument, IQueryable<TItem>>> query)
{
    private readonly ConcurrentDictionary<IModel, Func<FailbackDbContext, TArgument, IAsyncEnumerable<TItem>>> _byModel = new();

    public async Task<IReadOnlyList<TTo>> ExecuteAsync<TTo>(IDatabase database, TArgument argument, Func<TItem, TTo> map, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var items = new List<TTo>();
        await foreach (var item in _byModel.GetOrAdd(db.Model, static (_, q) => EF.CompileAsyncQuery(q), query)(db, argument).WithCancellation(cancellationToken))
        {
            items.Add(map(item));
        }

        return items;
    }
}
