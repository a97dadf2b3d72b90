using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.Records;
using FailbackWorkflows.ReferenceRecorder.Segments;
using FailbackWorkflows.ReferenceRecorder.Storage;
using Microsoft.Data.Sqlite;
using Shouldly;
using SQLitePCL;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder;

/// <summary>What a page costs does not grow with the pages before it: counted in the database's own steps, so it is the same on every machine.</summary>
public sealed class PagingCostTests
{
    private const int Items = 4_000;
    private const int PageSize = 50;

    private static readonly DateTimeOffset From = new(2026, 2, 1, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(null)]
    [InlineData("video-1")]
    public async Task Records_TheLastPageCostsAsMuchAsTheFirst(string? channelId)
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.Store.WriteAsync(sql => RecordStore.Import(
            sql, Enumerable.Range(0, Items).Select(i => RecordStoreTests.Make(RecordKind.Text, 1, """{"line":"a"}""", $"line-{i}", From.AddSeconds(i)).ToRecord()), null), CancellationToken.None);
        var query = new RecordQuery(RecordKind.Text, RecorderHost.Identity, channelId, From, From.AddDays(1));

        var costs = CostOfPages<(DateTimeOffset, string)>(host, (sql, after) => RecordStore.Page(sql, query, after, PageSize).ConvertAll(r => (r.Time, r.Id)));

        ShouldBeEven(costs);
    }

    [Fact]
    public async Task Segments_TheLastPageCostsAsMuchAsTheFirst()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        var track = SegmentStore.TrackId(RecorderHost.Identity, "fed");
        await host.Store.WriteAsync(sql =>
        {
            for (var i = 0; i < Items; i++)
            {
                var from = From.AddSeconds(i);
                SegmentStore.Save(sql, new SegmentRow(
                    $"fed-{i}", RecorderHost.Identity, "fed", track, 1, from, from.AddSeconds(1), 1, new string('0', 64), DisputeState.None, null, $"{i}.seg", "machine-1", "video/mp4", from, null));
            }

            return true;
        }, CancellationToken.None);

        var costs = CostOfPages<(DateTimeOffset, string)>(host, (sql, after) => SegmentStore.Overlapping(sql, track, From, From.AddDays(1), PageSize, after).ConvertAll(s => (s.From, s.SegmentId)));

        ShouldBeEven(costs);
    }

    // What belongs to no channel is found without reading what belongs to one.
    [Theory]
    [InlineData(RecordKind.Alarms)]
    [InlineData(RecordKind.Bookmarks)]
    public async Task Records_OfNoChannel_CostNoMoreThanThemselves(RecordKind kind)
    {
        await using var host = await RecorderHost.StartSeededAsync();
        var few = Enumerable.Range(0, 5).Select(i => RecordStoreTests.Make(kind, 1, "{}", $"none-{i}", From.AddSeconds(i), channelId: null));
        var many = Enumerable.Range(0, Items).Select(i => RecordStoreTests.Make(kind, 1, "{}", $"of-{i}", From.AddSeconds(i)));
        await host.Store.WriteAsync(sql => RecordStore.Import(sql, few.Concat(many).Select(r => r.ToRecord()), null), CancellationToken.None);
        var query = new RecordQuery(kind, RecorderHost.Identity, "", From, From.AddDays(1));

        Count(host, (sql, steps) =>
        {
            RecordStore.Root(sql, query).Count.ShouldBe(5);
            steps().ShouldBeLessThan(Items / 10, "the root");
            RecordStore.CountDisputed(sql, query).ShouldBe(0);
            steps().ShouldBeLessThan(Items / 10, "the disputed");
            RecordStore.Page(sql, query, null, PageSize).Count.ShouldBe(5);
            steps().ShouldBeLessThan(Items / 10, "the first page");
            RecordStore.Page(sql, query, (From.AddSeconds(1), "none-1"), PageSize).Count.ShouldBe(3);
            steps().ShouldBeLessThan(Items / 10, "the next page");

            // The measure measures: the whole kind costs more than that.
            RecordStore.Root(sql, query with { ChannelId = null }).Count.ShouldBe(Items + 5);
            steps().ShouldBeGreaterThan(Items / 10);
        });
    }

    /// <summary>Runs queries; the function given with them tells the database's steps, in tens, since it was asked last.</summary>
    private static void Count(RecorderHost host, Action<Sql, Func<int>> run)
    {
        using var connection = new SqliteConnection($"Data Source={Path.Combine(host.Folder, "recorder.db")}");
        connection.Open();
        var steps = 0;
        raw.sqlite3_progress_handler(connection.Handle, 10, _ => steps++ < 0 ? 1 : 0, null);
        using var transaction = connection.BeginTransaction();
        using var statements = new Statements(connection);
        run(new Sql(connection, transaction, statements), () =>
        {
            var counted = steps;
            steps = 0;
            return counted;
        });
    }

    private static List<int> CostOfPages<T>(RecorderHost host, Func<Sql, T?, List<T>> readPage)
        where T : struct
    {
        List<int>? all = null;
        Count(host, (sql, steps) => all = CostOfPages(sql, steps, readPage));
        return all!;
    }

    private static List<int> CostOfPages<T>(Sql sql, Func<int> steps, Func<Sql, T?, List<T>> readPage)
        where T : struct
    {
        var costs = new List<int>();
        for (T? after = null; ;)
        {
            steps();
            var page = readPage(sql, after);
            if (page.Count < PageSize)
            {
                return costs;
            }

            costs.Add(steps());
            after = page[^1];
        }
    }

    private static void ShouldBeEven(List<int> costs)
    {
        costs.Count.ShouldBe(Items / PageSize);
        costs[0].ShouldBeGreaterThan(0, "or the steps are not counted");
        costs[^1].ShouldBeLessThanOrEqualTo(costs[0] * 3 / 2);
    }
}
