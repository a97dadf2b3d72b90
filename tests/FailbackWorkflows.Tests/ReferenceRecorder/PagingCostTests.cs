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

    private static List<int> CostOfPages<T>(RecorderHost host, Func<Sql, T?, List<T>> readPage)
        where T : struct
    {
        using var connection = new SqliteConnection($"Data Source={Path.Combine(host.Folder, "recorder.db")}");
        connection.Open();
        var steps = 0;
        raw.sqlite3_progress_handler(connection.Handle, 10, _ => steps++ < 0 ? 1 : 0, null);
        using var transaction = connection.BeginTransaction();
        using var statements = new Statements(connection);
        var sql = new Sql(connection, transaction, statements);
        var costs = new List<int>();
        for (T? after = null; ;)
        {
            steps = 0;
            var page = readPage(sql, after);
            if (page.Count < PageSize)
            {
                return costs;
            }

            costs.Add(steps);
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
