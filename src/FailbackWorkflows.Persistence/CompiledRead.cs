using System.Collections.Concurrent;
using System.Linq.Expressions;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;

namespace FailbackWorkflows.Persistence;

/// <summary>
/// A read of the hot path. Its expression is translated once per model (that is, per database product) instead of being built, visited and
/// looked up at each call, which costs more than the read itself. Keep it in a static field.
/// </summary>
internal sealed class CompiledRead<TArgument, TResult>(Expression<Func<FailbackDbContext, TArgument, CancellationToken, TResult>> query)
{
    private readonly ConcurrentDictionary<IModel, Func<FailbackDbContext, TArgument, CancellationToken, Task<TResult>>> _byModel = new();

    public async Task<TResult> ExecuteAsync(IDatabase database, TArgument argument, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await _byModel.GetOrAdd(db.Model, static (_, q) => EF.CompileAsyncQuery(q), query)(db, argument, cancellationToken);
    }
}
