using System.Collections.Concurrent;
using System.Text;
using System.Threading.Channels;
using FailbackWorkflows.Engine.Runtime;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace FailbackWorkflows.Persistence.Postgres;

/// <summary>
/// Signals by <c>LISTEN</c> and <c>NOTIFY</c>. They are sent beside the transactions they tell of and never within: a transaction that notifies makes every other
/// one that does wait until it is on the disk. What piles up while one is being sent goes with the next.
/// </summary>
internal sealed class PostgresSignals(NpgsqlConnectionStringBuilder connectionString, TimeProvider time, ILogger<PostgresSignals> logger) : BackgroundService, INodeSignals
{
    private const string Topic = "failback_signals";
    private const int KeepAliveSeconds = 5;

    /// <summary>What one notification may hold, less than the 8,000 bytes that the server takes.</summary>
    private const int MostBytes = 7_500;

    private static readonly TimeSpan Again = TimeSpan.FromSeconds(1);

    private readonly string _connectionString = new NpgsqlConnectionStringBuilder(connectionString.ConnectionString) { Pooling = false, KeepAlive = KeepAliveSeconds }.ToString();
    private readonly string _self = Guid.NewGuid().ToString("N");
    private readonly ConcurrentDictionary<NodeSignal, bool> _pending = new();
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly List<Action<NodeSignal>> _receivers = [];
    private volatile bool _isRunning;

    public void Send(NodeSignal signal)
    {
        if (_isRunning)
        {
            _pending[signal] = true;
            _wake.Writer.TryWrite(true);
        }
    }

    public void Subscribe(Action<NodeSignal> receiver)
    {
        lock (_receivers)
        {
            _receivers.Add(receiver);
        }
    }

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        _isRunning = true;
        return base.StartAsync(cancellationToken);
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(KeepAsync(ListenAsync, stoppingToken), KeepAsync(SendAllAsync, stoppingToken));

    /// <summary>Has <paramref name="work"/> done on a session of its own, and on another one whenever that is lost.</summary>
    private async Task KeepAsync(Func<NpgsqlConnection, CancellationToken, Task> work, CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await using var connection = new NpgsqlConnection(_connectionString);
                await connection.OpenAsync(cancellationToken);
                await work(connection, cancellationToken);
            }
            catch (Exception) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                logger.LogWarning("Signals between management servers are interrupted, each looks for itself meanwhile: {Reason}", exception.Message);
                try
                {
                    await Task.Delay(Again, time, cancellationToken);
                }
                catch (OperationCanceledException)
                {
                    return;
                }
            }
        }
    }

    private async Task ListenAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        connection.Notification += (_, notification) => Receive(notification.Payload);
        await using (var listen = new NpgsqlCommand($"LISTEN {Topic}", connection))
        {
            await listen.ExecuteNonQueryAsync(cancellationToken);
        }

        // What was said before is not known.
        Deliver(new NodeSignal(NodeSignalKind.Missed));
        while (true)
        {
            await connection.WaitAsync(cancellationToken);
        }
    }

    private async Task SendAllAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var notify = new NpgsqlCommand("SELECT pg_notify(@topic, @payload)", connection);
        notify.Parameters.AddWithValue("topic", Topic);
        var payload = notify.Parameters.AddWithValue("payload", "");
        while (true)
        {
            await _wake.Reader.ReadAsync(cancellationToken);
            foreach (var text in TakePending())
            {
                payload.Value = text;
                await notify.ExecuteNonQueryAsync(cancellationToken);
            }
        }
    }

    /// <summary>One line for the sender, one for each signal.</summary>
    private IEnumerable<string> TakePending()
    {
        var text = new StringBuilder(_self);
        foreach (var signal in _pending.Keys)
        {
            _pending.TryRemove(signal, out _);
            var line = $"\n{signal.Kind} {signal.Subject}";
            if (text.Length + Encoding.UTF8.GetByteCount(line) > MostBytes)
            {
                yield return text.ToString();
                text = new StringBuilder(_self);
            }

            text.Append(line);
        }

        if (text.Length > _self.Length)
        {
            yield return text.ToString();
        }
    }

    private void Receive(string payload)
    {
        var lines = payload.Split('\n');
        if (lines[0] == _self)
        {
            return;
        }

        foreach (var line in lines.AsSpan(1))
        {
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            if (space > 0 && Enum.TryParse<NodeSignalKind>(line.AsSpan(0, space), out var kind))
            {
                Deliver(new NodeSignal(kind, space + 1 < line.Length ? line[(space + 1)..] : null));
            }
        }
    }

    private void Deliver(NodeSignal signal)
    {
        Action<NodeSignal>[] receivers;
        lock (_receivers)
        {
            receivers = [.. _receivers];
        }

        foreach (var receiver in receivers)
        {
            receiver(signal);
        }
    }
}
