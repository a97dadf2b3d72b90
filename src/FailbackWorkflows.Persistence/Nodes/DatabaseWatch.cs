using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Connectivity;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Persistence.Nodes;

/// <summary>
/// The watch as a row whose beat its holder lets grow. No clock is compared with another one: whoever wants the watch takes it when he has seen the
/// same beat for as long as a lease lasts by what his machine has counted, whatever its clock is set to, and the holder counts it as his own for less than that, from the moment before he sent his last beat. So a
/// process that was stopped and goes on finds that its time is over before it decides anything. With its beat the holder tells how its polls stand; others
/// believe that once it has changed since they began: what they read first may be the word of a backup. A holder whose row was put back finds another beat there and is
/// not on watch any more, so after a restore under running nodes somebody asks all recorders anew, too.
/// </summary>
internal sealed class DatabaseWatch(IDatabase database, WorkflowEngineOptions options, TimeProvider time, ILogger<DatabaseWatch> logger) : IWatch, IHostedService, IDisposable
{
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly TimeSpan _lookEvery = options.LeaseDuration / 4;
    private readonly TimeSpan _oursFor = options.LeaseDuration * 0.8;
    private volatile Held? _held;
    private volatile WatchReport? _told;
    private volatile WatchReport? _report;
    private DateTimeOffset? _toldAtFirst;
    private bool _isHeard;

    /// <summary>Of all that this process has seen or had. A row that was put back may tell a smaller one, and the next must not be one that was had already.</summary>
    private long _largestTerm;
    private Moment? _lookedAt;
    private Seen? _seen;

    public bool IsOurs => Term > 0;

    public long Term => _held is { } held && Since(held.SentAt) < _oursFor ? held.Term : 0;

    public bool MayDecide => _told is { IsRoundDone: true } told && told.Term == Term;

    public WatchReport? Report => _report;

    public void Tell(WatchReport report) => _told = report;

    public IReadOnlyList<IDomainChange> Require(long term) => [new RequireWatchTerm(term)];

    public async Task KeepAsync(CancellationToken cancellationToken)
    {
        if (_lookedAt is { } lookedAt && Since(lookedAt) < _lookEvery || !await _gate.WaitAsync(0, cancellationToken))
        {
            return;
        }

        try
        {
            // Before the first word to the database: a look that hangs must not make anything seem younger than it is.
            var now = Now();
            _lookedAt = now;
            if (_held is not { } held)
            {
                await LookAsync(now, cancellationToken);
            }
            else if (await BeatAsync(held, cancellationToken))
            {
                _held = new Held(now, held.Beat + 1, held.Term);
            }
            else
            {
                _held = null;
                logger.LogWarning("Node {Node} is no longer on watch: another one has taken it", options.Node);
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Lets go of the watch, so that another node need not wait until it has run out; without time left for that, it has to.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        try
        {
            await LetGoAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            logger.LogWarning("Node {Node} had no time left to let go of the watch: another node takes it when it has run out", options.Node);
        }
    }

    public void Dispose() => _gate.Dispose();

    private async Task LetGoAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (_held is { } held)
            {
                _held = null;
                await WriteAsync(held.Beat, options.Node, "", 0, cancellationToken);
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task LookAsync(Moment now, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var row = await db.Watches.FirstOrDefaultAsync(r => r.Name == WatchRow.Polls, cancellationToken);
        if (row is null)
        {
            await database.WriteAsync(
                session => session.ExecuteAsync(
                    "INSERT INTO watches (name, node, beat) VALUES (@name, '', 0) ON CONFLICT (name) DO NOTHING", cancellationToken, ("name", WatchRow.Polls)),
                cancellationToken);
            row = new WatchRow { Name = WatchRow.Polls, Node = "", Beat = 0 };
        }

        if (_seen is not { } seen || seen.Node != row.Node || seen.Beat != row.Beat)
        {
            _seen = seen = new Seen(row.Node, row.Beat, Now());
        }

        _toldAtFirst ??= row.SweptAt ?? DateTimeOffset.MinValue;
        _isHeard = _isHeard || (row.SweptAt is { } sweptAt && sweptAt != _toldAtFirst);
        _report = _isHeard ? row.ToReport() : null;

        _largestTerm = Math.Max(_largestTerm, row.Term);
        var term = _largestTerm + 1;

        // One of our own name is of an earlier life: two nodes of one name are not let onto a database. A clock that was set forward must not take the watch from one that lives.
        if ((row.Node.Length == 0 || row.Node == options.Node || time.GetElapsedTime(seen.At.Stamp) >= options.LeaseDuration)
            && await WriteAsync(row.Beat, row.Node, options.Node, term - row.Term, cancellationToken))
        {
            _largestTerm = term;
            _held = new Held(now, row.Beat + 1, term);
            logger.LogInformation("Node {Node} is on watch", options.Node);
        }
    }

    private async Task<bool> BeatAsync(Held held, CancellationToken cancellationToken)
    {
        if (_told is not { } told || told.Term != held.Term || told.Polls.SweptAt is not { } sweptAt)
        {
            return await WriteAsync(held.Beat, options.Node, options.Node, 0, cancellationToken);
        }

        return await database.WriteUrgentlyAsync(
            session => session.ExecuteAsync(
                """
                UPDATE watches SET beat = beat + 1, told_node = @node, told_term = @term, swept_at = @swept, is_round_done = @done, has_asked_everybody = @asked, recorders = @recorders,
                    in_flight = @flying, unasked = @unasked, longest_lag = @lag, longest_gap = @gap
                WHERE name = @name AND node = @node AND beat = @beat
                """,
                cancellationToken,
                ("node", options.Node),
                ("term", told.Term),
                ("swept", database.ToParameter(sweptAt)),
                ("done", told.IsRoundDone),
                ("asked", told.HasAskedEverybody),
                ("recorders", told.Polls.Recorders),
                ("flying", told.Polls.InFlight),
                ("unasked", told.Polls.Unasked),
                ("lag", told.Polls.LongestLag.Ticks),
                ("gap", told.Polls.LongestGap.Ticks),
                ("name", WatchRow.Polls),
                ("beat", held.Beat)),
            cancellationToken) == 1;
    }

    /// <param name="taken">By how much the term grows when the watch is taken, by 1 as a rule; 0: it is kept or let go of.</param>
    private async Task<bool> WriteAsync(long beat, string from, string to, long taken, CancellationToken cancellationToken) => await database.WriteUrgentlyAsync(
        session => session.ExecuteAsync(
            "UPDATE watches SET node = @to, beat = beat + 1, term = term + @taken WHERE name = @name AND node = @from AND beat = @beat",
            cancellationToken,
            ("to", to),
            ("taken", taken),
            ("name", WatchRow.Polls),
            ("from", from),
            ("beat", beat)),
        cancellationToken) == 1;

    private Moment Now() => new(time.GetTimestamp(), time.GetUtcNow());

    /// <summary>By whichever clock says more: one of them stands still while a machine sleeps, and the other may be set back.</summary>
    private TimeSpan Since(Moment moment)
    {
        var (counted, told) = (time.GetElapsedTime(moment.Stamp), time.GetUtcNow() - moment.At);
        return counted > told ? counted : told;
    }

    private sealed record Moment(long Stamp, DateTimeOffset At);

    private sealed record Held(Moment SentAt, long Beat, long Term);

    private sealed record Seen(string Node, long Beat, Moment At);
}
