using System.Reflection;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Persistence.Postgres;
using FailbackWorkflows.Testing.Engine;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace FailbackWorkflows.Testing.Persistence;

/// <summary>
/// The life of one management server process, which ends at a chosen durable write as if it were killed there: a commit of its database, or a line of
/// its checkpoint of epochs. From then on nothing it does reaches anybody: what it writes is rolled back, what it reads is not answered, and
/// what it tells recorders does not arrive.
/// </summary>
public sealed class ProcessLife
{
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private CrashMoment _moment;
    private int _last;
    private int _writes;
    private volatile bool _isOver;

    /// <summary>Durable writes since <see cref="Count"/> or <see cref="EndAt"/>.</summary>
    public int Writes => Volatile.Read(ref _writes);

    public bool IsOver => _isOver;

    /// <summary>Completes when the process is dead.</summary>
    public Task Over => _over.Task;

    /// <summary>Counts the durable writes from here on.</summary>
    public void Count() => Interlocked.Exchange(ref _writes, 0);

    /// <summary>Chooses the death: at which durable write from here on, from 1.</summary>
    public void EndAt(CrashMoment moment, int write)
    {
        _moment = moment;
        Volatile.Write(ref _last, write);
        Count();
    }

    /// <summary>Now.</summary>
    public void End()
    {
        _isOver = true;
        _over.TrySetResult();
    }

    public void ThrowIfOver()
    {
        if (_isOver)
        {
            throw new NodeDiedException();
        }
    }

    /// <summary>Makes something durable, unless that is where the process dies.</summary>
    public async Task WriteAsync(Func<Task> write)
    {
        var isLast = Begin();
        await write();
        Finish(isLast);
    }

    /// <inheritdoc cref="WriteAsync"/>
    public void Write(Action write)
    {
        var isLast = Begin();
        write();
        Finish(isLast);
    }

    /// <summary>Puts the process between its stores and what they keep.</summary>
    internal void Wrap(IServiceCollection services)
    {
        Replace<IDatabase>(services, database => new MortalDatabase(database, this));
        Replace<IEpochCheckpoint>(services, checkpoint => new MortalCheckpoint(checkpoint, this));
    }

    /// <summary>A way out of the process: what is called on it after its death does not arrive.</summary>
    internal T Wrap<T>(T target)
        where T : class
    {
        var proxy = DispatchProxy.Create<T, MortalProxy>();
        ((MortalProxy)(object)proxy).Begin(target, this);
        return proxy;
    }

    private bool Begin()
    {
        ThrowIfOver();
        var isLast = Interlocked.Increment(ref _writes) == Volatile.Read(ref _last);
        if (isLast && _moment == CrashMoment.BeforeCommit)
        {
            End();
            throw new NodeDiedException();
        }

        return isLast;
    }

    private void Finish(bool isLast)
    {
        if (isLast)
        {
            End();
        }

        // Another's write that was on its way when the process died is durable, and nobody learns of it either.
        if (_isOver && !(isLast && _moment == CrashMoment.Acknowledged))
        {
            throw new NodeDiedException();
        }
    }

    private static void Replace<T>(IServiceCollection services, Func<T, T> wrap)
        where T : class
    {
        var original = services.Last(s => s.ServiceType == typeof(T)).ImplementationFactory!;
        services.Replace(ServiceDescriptor.Singleton(provider => wrap((T)original(provider))));
    }

    private sealed class MortalDatabase(IDatabase database, ProcessLife life) : IDatabase, IAsyncDisposable, IDisposable
    {
        public long Commits => database.Commits;

        SharedTransactions? IDatabase.Shared
        {
            get
            {
                var shared = database.Shared;
                if (shared is not null)
                {
                    shared.Committing = life.WriteAsync;
                }

                return shared;
            }
        }

        public Task<IAsyncDisposable> EnterStartAsync(CancellationToken cancellationToken) => database.EnterStartAsync(cancellationToken);

        public Task MigrateAsync(CancellationToken cancellationToken) => database.MigrateAsync(cancellationToken);

        public FailbackDbContext CreateReadContext()
        {
            life.ThrowIfOver();
            return database.CreateReadContext();
        }

        public async Task<WriteSession> BeginWriteAsync(CancellationToken cancellationToken)
        {
            life.ThrowIfOver();
            var session = await database.BeginWriteAsync(cancellationToken);
            session.Committing = life.WriteAsync;
            return session;
        }

        public object ToParameter(DateTimeOffset instant) => database.ToParameter(instant);

        public bool IsUniqueViolation(Exception exception) => database.IsUniqueViolation(exception);

        public bool IsAway(Exception exception) => database.IsAway(exception);

        public bool IsOvertaken(Exception exception) => database.IsOvertaken(exception);

        public Task CheckAsync(CancellationToken cancellationToken)
        {
            life.ThrowIfOver();
            return database.CheckAsync(cancellationToken);
        }

        public ValueTask DisposeAsync() => ((IAsyncDisposable)database).DisposeAsync();

        public void Dispose() => ((IDisposable)database).Dispose();
    }

    private sealed class MortalCheckpoint(IEpochCheckpoint checkpoint, ProcessLife life) : IEpochCheckpoint, IDisposable
    {
        public long Largest(string identity) => checkpoint.Largest(identity);

        public NotedEpoch? AtStart(string identity) => checkpoint.AtStart(identity);

        public void Note(string identity, long epoch, string? drawnBy)
        {
            if (epoch > checkpoint.Largest(identity))
            {
                life.Write(() => checkpoint.Note(identity, epoch, drawnBy));
            }
            else
            {
                life.ThrowIfOver();
            }
        }

        public void Follow(IEnumerable<Duty> granted)
        {
            life.ThrowIfOver();
            checkpoint.Follow(granted);
        }

        public void Dispose() => ((IDisposable)checkpoint).Dispose();
    }
}

/// <summary>Passes calls on as long as a process lives. Open, because the calls arrive in a class that is derived from it at run time.</summary>
public class MortalProxy : DispatchProxy
{
    private object _target = null!;
    private ProcessLife _life = null!;

    internal void Begin(object target, ProcessLife life) => (_target, _life) = (target, life);

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        _life.ThrowIfOver();
        return targetMethod!.Invoke(_target, BindingFlags.DoNotWrapExceptions, null, args, null);
    }
}
