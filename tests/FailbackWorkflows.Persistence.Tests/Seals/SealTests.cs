using FailbackWorkflows.Persistence.Seals;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;
using Xunit;
using Xunit.Abstractions;

namespace FailbackWorkflows.Persistence.Tests.Seals;

public sealed class SqliteHistorySealsTests : HistorySealsCompliance
{
    private protected override Task<SealedSite> CreateAsync(Random random) => SealedSite.OnSqliteAsync(random);
}

public sealed class PostgresHistorySealsTests : HistorySealsCompliance
{
    private protected override Task<SealedSite> CreateAsync(Random random) => SealedSite.OnPostgresAsync(random);

    [Fact]
    public async Task Seals_OfTwoNodesAtTheSameTime_AreOneChainThatBothFilesHave()
    {
        await using var site = await SealedSite.OnPostgresAsync(new Random(20));
        var other = new SealFolder(Path.Combine(site.Folder.Path, "other"));
        using var second = new HistorySeals(site.Database.Get<IDatabase>(), other, site.Time, NullLogger<HistorySeals>.Instance);
        for (var round = 0; round < 10; round++)
        {
            await site.LiveAsync(5);
            await site.StartAsync();
            await Task.WhenAll(site.Seals.SealAsync(CancellationToken.None), second.SealAsync(CancellationToken.None), site.AuditAsync());
        }

        await site.Seals.FollowAsync(CancellationToken.None);
        await second.FollowAsync(CancellationToken.None);
        var file = File.ReadAllText(site.Folder.Checkpoints.Path);
        File.ReadAllText(other.Checkpoints.Path).ShouldBe(file);
        file.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length.ShouldBeGreaterThanOrEqualTo(10);
        var report = await site.VerifyAsync();
        report.Findings.ShouldBeEmpty();
        report.Keys.ShouldAllBe(k => k.VouchedBy == null);
    }
}

public sealed class SqliteMutationTests(ITestOutputHelper output) : MutationCompliance(output, usualMutations: 300, usualClean: 30)
{
    private protected override Task<SealedSite> CreateAsync(Random random) => SealedSite.OnSqliteAsync(random);
}

public sealed class PostgresMutationTests(ITestOutputHelper output) : MutationCompliance(output, usualMutations: 60, usualClean: 5)
{
    private protected override Task<SealedSite> CreateAsync(Random random) => SealedSite.OnPostgresAsync(random);
}

public sealed class MerkleTreeTests
{
    [Fact]
    public void Proof_OfEveryLineOfEveryTree_LeadsToItsRootAndNoOther()
    {
        for (var count = 1; count <= 33; count++)
        {
            var lines = Enumerable.Range(0, count).Select(i => $"{{\"line\":{i}}}").ToList();
            var root = MerkleTree.Root(lines);
            for (var i = 0; i < count; i++)
            {
                var proof = MerkleTree.Proof(lines, i);
                MerkleTree.Follow(lines[i], proof).ShouldBe(root);
                MerkleTree.Follow(lines[i] + " ", proof).ShouldNotBe(root);
            }
        }
    }
}
