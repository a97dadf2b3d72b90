using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Testing.Engine;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>A process that does not serve (yet) leaves runs alone: its address may be taken, and it is about to end.</summary>
public sealed class DispatcherStartTests
{
    [Fact]
    public async Task Run_FromAnEarlierLife_GoesOnOnceTheHostServes()
    {
        var store = new InMemoryWorkflowStore();
        var looks = new LookCounter(store);
        using var lifetime = new FakeLifetime();
        await using var host = await EngineHost.StartAsync(
            store, new FakeTimeProvider(DateTimeOffset.UnixEpoch), _ => { }, addServices: services => services.AddSingleton<IHostApplicationLifetime>(lifetime), behind: looks);

        looks.Looks.ShouldBe(0);
        lifetime.Serve();
        await looks.Looked.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task Host_EndsBeforeItServes_DispatcherEndsWithoutALook()
    {
        var store = new InMemoryWorkflowStore();
        var looks = new LookCounter(store);
        using var lifetime = new FakeLifetime();
        var host = await EngineHost.StartAsync(
            store, new FakeTimeProvider(DateTimeOffset.UnixEpoch), _ => { }, addServices: services => services.AddSingleton<IHostApplicationLifetime>(lifetime), behind: looks);

        await host.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30));

        looks.Looks.ShouldBe(0);
    }

    private sealed class LookCounter(IWorkflowStore inner) : DelegatingWorkflowStore(inner)
    {
        private readonly TaskCompletionSource _looked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _looks;

        public int Looks => Volatile.Read(ref _looks);

        public Task Looked => _looked.Task;

        public override Task<IReadOnlyList<Lease>> ClaimRunnableAsync(string node, DateTimeOffset now, TimeSpan leaseDuration, int max, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _looks);
            _looked.TrySetResult();
            return base.ClaimRunnableAsync(node, now, leaseDuration, max, cancellationToken);
        }
    }

    private sealed class FakeLifetime : IHostApplicationLifetime, IDisposable
    {
        private readonly CancellationTokenSource _started = new();

        public CancellationToken ApplicationStarted => _started.Token;

        public CancellationToken ApplicationStopping => CancellationToken.None;

        public CancellationToken ApplicationStopped => CancellationToken.None;

        public void Serve() => _started.Cancel();

        public void StopApplication()
        {
        }

        public void Dispose() => _started.Dispose();
    }
}
