using System.Globalization;
using Shouldly;
using Xunit;
using Xunit.Abstractions;

namespace FailbackWorkflows.Persistence.Tests.Seals;

/// <summary>
/// Whatever somebody who may change everything in the database does to what was sealed is found, and nothing is found where nobody did anything. More of both, and another
/// seed, by <c>FAILBACK_MUTATIONS</c>, <c>FAILBACK_CLEAN_DATABASES</c> and <c>FAILBACK_SOAK_SEED</c>.
/// </summary>
public abstract class MutationCompliance(ITestOutputHelper output, int usualMutations, int usualClean)
{
    private const int MutationsPerSite = 100;

    private protected abstract Task<SealedSite> CreateAsync(Random random);

    [Fact]
    public async Task Mutation_OfWhatWasSealed_IsAlwaysFound()
    {
        var (seed, mutations) = (Seed(), Number("FAILBACK_MUTATIONS", usualMutations));
        output.WriteLine($"seed {seed}, {mutations} mutations");
        var missed = new List<string>();
        var kinds = new SortedDictionary<string, int>(StringComparer.Ordinal);
        for (var done = 0; done < mutations; done += MutationsPerSite)
        {
            var random = new Random(HashCode.Combine(seed, done));
            await using var site = await CreateAsync(random);
            await site.LiveAsync(60);
            await site.StartAsync();
            await site.AuditAsync();
            await site.Seals.SealAsync(CancellationToken.None);
            for (var i = 0; i < Math.Min(MutationsPerSite, mutations - done); i++)
            {
                var (kind, what, found) = await Mutation.TryAsync(site, random);
                kinds[kind] = kinds.GetValueOrDefault(kind) + 1;
                if (!found)
                {
                    missed.Add($"{kind}: {what}");
                }
            }
        }

        output.WriteLine(string.Join(", ", kinds.Select(k => $"{k.Key} {k.Value}")));
        missed.ShouldBeEmpty($"seed {seed}");
    }

    [Fact]
    public async Task CleanDatabase_WhateverHappenedThere_RaisesNoAlarm()
    {
        var (seed, databases) = (Seed(), Number("FAILBACK_CLEAN_DATABASES", usualClean));
        output.WriteLine($"seed {seed}, {databases} databases");
        for (var done = 0; done < databases; done++)
        {
            var random = new Random(HashCode.Combine(seed, -1 - done));
            await using var site = await CreateAsync(random);
            for (var part = random.Next(1, 4); part > 0; part--)
            {
                await site.LiveAsync(random.Next(1, 25));
                switch (random.Next(5))
                {
                    case 0:
                        await site.Database.RestartAsync();
                        break;
                    case 1 when File.Exists(site.Folder.Checkpoints.Path):
                        await site.Seals.RotateKeyAsync(CancellationToken.None);
                        break;
                    case 2 when File.Exists(site.Folder.Checkpoints.Path):
                        File.Delete(site.Folder.Checkpoints.Path);
                        await site.Seals.FollowAsync(CancellationToken.None);
                        break;
                    default:
                        await site.Seals.SealAsync(CancellationToken.None);
                        break;
                }

                (await site.VerifyAsync()).Findings.ShouldBeEmpty($"seed {seed}, database {done}");
            }
        }
    }

    private static int Seed() => Number("FAILBACK_SOAK_SEED", Random.Shared.Next());

    private static int Number(string variable, int usual) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : usual;
}
