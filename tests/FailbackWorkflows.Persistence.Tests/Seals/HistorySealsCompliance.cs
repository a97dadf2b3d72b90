using FailbackWorkflows.Persistence.Seals;
using Microsoft.Extensions.Logging;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Seals;

/// <summary>Chains, checkpoints and what is found out by them, on every database.</summary>
public abstract class HistorySealsCompliance
{
    private static readonly CancellationToken None = CancellationToken.None;

    private protected abstract Task<SealedSite> CreateAsync(Random random);

    [Fact]
    public async Task Seal_OfWhatWasWritten_ListsEveryChangedChainOnce()
    {
        await using var site = await CreateAsync(new Random(1));
        (await site.Seals.SealAsync(None)).ShouldBeNull();
        var (first, second) = (await site.StartAsync(), await site.StartAsync());
        await site.AuditAsync();

        var one = (await site.Seals.SealAsync(None)).ShouldNotBeNull();
        one.Checkpoint.Number.ShouldBe(1);
        one.Heads.Select(h => h.Chain).ShouldBe(new[] { first, second, AuditChain.Name }.Order(StringComparer.Ordinal));
        one.Checkpoint.Root.ShouldBe(one.RootOfHeads());

        (await site.Seals.SealAsync(None)).ShouldBeNull();
        await site.StepAsync(first);
        var two = (await site.Seals.SealAsync(None)).ShouldNotBeNull();
        two.Heads.ShouldHaveSingleItem().ShouldSatisfyAllConditions(h => h.Chain.ShouldBe(first), h => h.Sequence.ShouldBe(4));
        two.Checkpoint.ShouldSatisfyAllConditions(c => c.Previous.ShouldBe(one.Hash), c => c.Chains.ShouldBe(3), c => c.NewKey.ShouldBeNull());
    }

    [Fact]
    public async Task Verify_OfACleanDatabase_FindsNothingAndSaysWhatIsUnsealed()
    {
        await using var site = await CreateAsync(new Random(2));
        var run = await site.StartAsync();
        await site.AuditAsync();
        (await site.VerifyAsync()).ShouldSatisfyAllConditions(
            r => r.Findings.ShouldBeEmpty(), r => r.UnsealedEvents.ShouldBe(2), r => r.UnsealedAuditRecords.ShouldBe(1), r => r.HasOutsideFile.ShouldBeFalse(), r => r.LastSealedAt.ShouldBeNull());

        await site.Seals.SealAsync(None);
        (await site.VerifyAsync()).ShouldSatisfyAllConditions(
            r => r.Findings.ShouldBeEmpty(), r => r.UnsealedEvents.ShouldBe(0), r => r.UnsealedAuditRecords.ShouldBe(0), r => r.HasOutsideFile.ShouldBeTrue(), r => r.Runs.ShouldBe(1), r => r.Events.ShouldBe(2), r => r.AuditRecords.ShouldBe(1));

        await site.StepAsync(run, ends: true);
        var unsealed = await site.VerifyAsync(run);
        unsealed.ShouldSatisfyAllConditions(r => r.Findings.ShouldBeEmpty(), r => r.UnsealedEvents.ShouldBe(2), r => r.OldestUnsealedAt.ShouldBe(site.Time.GetUtcNow()));
    }

    [Fact]
    public async Task Seal_AfterARestart_GoesOnWithTheSameKeyAndMissesNothing()
    {
        await using var site = await CreateAsync(new Random(3));
        await site.StartAsync();
        var one = (await site.Seals.SealAsync(None))!;
        var late = await site.StartAsync();
        await site.StepAsync(late, ends: true);
        await site.Database.RestartAsync();

        var two = (await site.Seals.SealAsync(None)).ShouldNotBeNull();
        two.Checkpoint.Key.ShouldBe(one.Checkpoint.Key);
        two.Heads.ShouldHaveSingleItem().Chain.ShouldBe(late);
        (await site.VerifyAsync()).Findings.ShouldBeEmpty();
    }

    [Fact]
    public async Task RotateKey_Always_HasTheOldKeyVouchForTheNewOne()
    {
        await using var site = await CreateAsync(new Random(4));
        await site.StartAsync();
        await Should.ThrowAsync<SealConflictException>(() => site.Seals.RotateKeyAsync(None));
        var one = (await site.Seals.SealAsync(None))!;
        var rotated = await site.Seals.RotateKeyAsync(None);
        rotated.Checkpoint.Key.ShouldBe(one.Checkpoint.Key);
        await site.StartAsync();
        var three = (await site.Seals.SealAsync(None))!;
        three.Checkpoint.Key.ShouldBe(SealingKey.IdOf(rotated.Checkpoint.NewKey!));
        await site.Database.RestartAsync();
        await site.StartAsync();
        (await site.Seals.SealAsync(None))!.Checkpoint.Key.ShouldBe(three.Checkpoint.Key);

        var report = await site.VerifyAsync();
        report.Findings.ShouldBeEmpty();
        report.Keys.Select(k => (k.Id, k.VouchedBy)).ShouldBe([(one.Checkpoint.Key, null), (three.Checkpoint.Key, one.Checkpoint.Key)]);
    }

    [Fact]
    public async Task Seal_WithAFileThatLacksCheckpoints_WritesThemThere()
    {
        await using var site = await CreateAsync(new Random(5));
        await site.LiveAsync(30);
        await site.Seals.SealAsync(None);
        var all = File.ReadAllText(site.Folder.Checkpoints.Path);

        // As at another node, or after a process that died between its commit and the file; the end of the last line is torn off.
        File.WriteAllText(site.Folder.Checkpoints.Path, all[..(all.IndexOf('\n', StringComparison.Ordinal) + 40)]);
        await site.Seals.FollowAsync(None);
        File.ReadAllText(site.Folder.Checkpoints.Path).ShouldBe(all);

        File.Delete(site.Folder.Checkpoints.Path);
        await site.StartAsync();
        await site.Seals.SealAsync(None);
        File.ReadAllText(site.Folder.Checkpoints.Path).ShouldStartWith(all);
        (await site.VerifyAsync()).Findings.ShouldBeEmpty();
    }

    [Fact]
    public async Task Seal_OfADatabaseFromABackup_KeepsWhatWasSealedAndVerifyNamesWhatIsGone()
    {
        await using var site = await CreateAsync(new Random(6));
        await site.StartAsync();
        await site.Seals.SealAsync(None);
        var lost = await site.StartAsync();
        await site.Seals.SealAsync(None);

        // What a backup from before the second checkpoint would not have.
        foreach (var sql in new[]
        {
            $"DELETE FROM journal WHERE instance_id = '{lost}'", $"DELETE FROM wake_ups WHERE instance_id = '{lost}'", $"DELETE FROM workflow_instances WHERE id = '{lost}'",
            "DELETE FROM audit_checkpoints WHERE number = 2", "DELETE FROM audit_sealed_heads WHERE checkpoint = 2", $"DELETE FROM audit_chain_seals WHERE chain = '{lost}'",
        })
        {
            await site.Database.ExecuteAsync(sql);
        }

        (await site.VerifyAsync()).Findings.Select(f => f.Kind).ShouldBe([FindingKind.CheckpointWrong, FindingKind.RunMissing]);
        await site.StartAsync();
        var next = (await site.Seals.SealAsync(None)).ShouldNotBeNull();
        next.Checkpoint.Number.ShouldBe(3);
        (await site.VerifyAsync()).Findings.ShouldHaveSingleItem().ShouldSatisfyAllConditions(f => f.Kind.ShouldBe(FindingKind.RunMissing), f => f.Chain.ShouldBe(lost));
    }

    [Fact]
    public async Task Seal_WithAnotherCheckpointInTheDatabase_SealsNothing()
    {
        await using var site = await CreateAsync(new Random(7));
        await site.StartAsync();
        await site.Seals.SealAsync(None);
        await site.Database.ExecuteAsync("UPDATE audit_checkpoints SET line = replace(line, '\"changed\":1', '\"changed\":2')");
        await site.StartAsync();

        await Should.ThrowAsync<SealConflictException>(() => site.Seals.SealAsync(None));
        site.Seals.Trouble.ShouldNotBeNull().ShouldContain("run 'verify'");
        (await site.Database.CountAsync("audit_checkpoints")).ShouldBe(1);
        (await site.VerifyAsync()).Findings.ShouldHaveSingleItem().Kind.ShouldBe(FindingKind.CheckpointWrong);
    }

    [Fact]
    public async Task ChainOldRuns_OnceAfterAnUpgrade_SealsThemAsTheyAre()
    {
        await using var site = await CreateAsync(new Random(8));
        var run = await site.StartAsync();
        await site.StepAsync(run, ends: true);
        await site.AuditAsync();
        await site.Database.ExecuteAsync("UPDATE journal SET hash = NULL, payload = replace(payload, '\"event\":\"activityStarted\",', '')");
        await site.Database.ExecuteAsync("UPDATE workflow_instances SET chain_head = NULL");

        (await site.Database.Get<IJournalChaining>().ChainAsync(None)).ShouldBe(4);
        (await site.Database.Get<IJournalChaining>().ChainAsync(None)).ShouldBe(0);
        await site.Seals.SealAsync(None);
        (await site.VerifyAsync()).ShouldSatisfyAllConditions(r => r.Findings.ShouldBeEmpty(), r => r.UnsealedEvents.ShouldBe(0));
        await site.Database.ExecuteAsync("UPDATE journal SET payload = replace(payload, 'rec-1', 'rec-2') WHERE sequence = 2");
        (await site.VerifyAsync()).Findings.ShouldHaveSingleItem().ShouldSatisfyAllConditions(f => f.Kind.ShouldBe(FindingKind.EventChanged), f => f.Sequence.ShouldBe(2));
    }

    [Fact]
    public async Task Seal_OfMoreThanOneSealTakesIn_GoesOnWithTheNext()
    {
        await using var site = await CreateAsync(new Random(9));
        await site.Database.ExecuteAsync(
            $"""
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {IHistorySeals.MostNew + 10})
            INSERT INTO audit_log (at, actor_kind, actor_id, actor_name, action, result) SELECT i, 'System', 'test', 'Test', 'before the upgrade', 'done' FROM n
            """);
        await site.StartAsync();

        await site.Seals.SealAsync(None);
        (await site.VerifyAsync()).ShouldSatisfyAllConditions(r => r.Findings.ShouldBeEmpty(), r => r.UnsealedAuditRecords.ShouldBe(10), r => r.UnsealedEvents.ShouldBe(0));
        await site.Seals.SealAsync(None);
        (await site.VerifyAsync()).ShouldSatisfyAllConditions(r => r.Findings.ShouldBeEmpty(), r => r.UnsealedAuditRecords.ShouldBe(0), r => r.AuditRecords.ShouldBe(IHistorySeals.MostNew + 10));
        (await site.Seals.SealAsync(None)).ShouldBeNull();
    }

    [Fact]
    public async Task Seal_OfARunThatSomebodyHasMadeAnew_IsNotSignedOver()
    {
        await using var site = await CreateAsync(new Random(10));
        var (untouched, changed) = (await site.StartAsync(), await site.StartAsync());
        await site.StepAsync(untouched, ends: true);
        await site.StepAsync(changed, ends: true);
        await site.Seals.SealAsync(None);
        await site.RechainAsync(changed, "rec-1", "rec-2");
        await site.Database.ExecuteAsync("UPDATE audit_chain_seals SET sequence = 0, is_open = true");

        (await site.Seals.SealAsync(None)).ShouldBeNull();
        (await site.Database.CountAsync("audit_checkpoints")).ShouldBe(1);
        (await site.VerifyAsync()).Findings.ShouldHaveSingleItem().ShouldSatisfyAllConditions(f => f.Kind.ShouldBe(FindingKind.ChainReplaced), f => f.Chain.ShouldBe(changed));

        // Nor when it goes on; others are sealed as ever.
        var (growing, other) = (await site.StartAsync(), await site.StartAsync());
        await site.Seals.SealAsync(None);
        await site.StepAsync(growing);
        await site.RechainAsync(growing, "rec-1", "rec-3");
        await site.StepAsync(other);
        (await site.Seals.SealAsync(None)).ShouldNotBeNull().Heads.ShouldHaveSingleItem().Chain.ShouldBe(other);
    }

    [Fact]
    public async Task Verify_OfARunThatWasSealedTwiceAtTheSameEvent_FindsNothing()
    {
        await using var site = await CreateAsync(new Random(11));
        await site.StartAsync();
        await site.AuditAsync();
        var one = (await site.Seals.SealAsync(None))!;
        await site.SealAsBeforeAsync(one.Heads);
        (await site.VerifyAsync()).ShouldSatisfyAllConditions(r => r.Findings.ShouldBeEmpty(), r => r.Checkpoints.ShouldBe(2));
    }

    [Fact]
    public async Task Verify_OfARunThatWasKeptFromBeingSealed_SaysSoAndTheLookAtAllSealsIt()
    {
        await using var site = await CreateAsync(new Random(12));
        var known = await site.StartAsync();
        await site.Seals.SealAsync(None);
        await site.Database.ExecuteAsync("UPDATE audit_chain_seals SET is_open = false");
        await site.StepAsync(known);
        var @new = await site.StartAsync();
        await site.Database.ExecuteAsync($"INSERT INTO audit_chain_seals (chain, sequence, is_open) VALUES ('{@new}', 1099511627776, true)");
        await site.AuditAsync();

        (await site.Seals.SealAsync(None))!.Heads.ShouldHaveSingleItem().Chain.ShouldBe(AuditChain.Name);
        var findings = (await site.VerifyAsync()).Findings;
        findings.ShouldAllBe(f => f.Kind == FindingKind.NotSealed);
        findings.Select(f => f.Chain).Order(StringComparer.Ordinal).ShouldBe(new[] { known, @new }.Order(StringComparer.Ordinal));

        site.Time.Advance(TimeSpan.FromHours(1));
        (await site.Seals.SealAsync(None))!.Heads.Select(h => h.Chain).ShouldBe(new[] { known, @new }.Order(StringComparer.Ordinal));
        (await site.VerifyAsync()).Findings.ShouldBeEmpty();
    }

    [Fact]
    public async Task Verify_OfWhatTheLastSealLeftOut_SaysSoButNotOfAServerThatWasOff()
    {
        await using var site = await CreateAsync(new Random(13));
        var run = await site.StartAsync();
        await site.AuditAsync();
        var one = (await site.Seals.SealAsync(None))!;
        await site.StepAsync(run);
        await site.AuditAsync();
        site.Time.Advance(TimeSpan.FromHours(5));
        (await site.VerifyAsync()).ShouldSatisfyAllConditions(r => r.Findings.ShouldBeEmpty(), r => r.UnsealedEvents.ShouldBe(2), r => r.UnsealedAuditRecords.ShouldBe(1));

        // As if the sealing had been kept from finding them.
        await site.SealAsBeforeAsync(one.Heads);
        var findings = (await site.VerifyAsync()).Findings;
        findings.Select(f => (f.Kind, f.Chain)).ShouldBe([(FindingKind.NotSealed, run), (FindingKind.NotSealed, AuditChain.Name)]);
        findings.ShouldAllBe(f => f.Message.Contains("what is older than the last seal by far was left out of it"));
        await site.Seals.SealAsync(None);
        (await site.VerifyAsync()).Findings.ShouldBeEmpty();
    }

    [Fact]
    public async Task Seal_OfAnAuditLogWithARecordFarBehindIt_LeavesItOutLoudly()
    {
        await using var site = await CreateAsync(new Random(14));
        await site.AuditAsync();
        await site.Seals.SealAsync(None);
        await site.Database.ExecuteAsync(
            "INSERT INTO audit_log (sequence, at, actor_kind, actor_id, actor_name, action, result, hash) SELECT 1099511627776, at, actor_kind, actor_id, actor_name, action, result, hash FROM audit_log");
        var run = await site.StartAsync();

        (await site.Seals.SealAsync(None))!.Heads.ShouldHaveSingleItem().Chain.ShouldBe(run);
        site.Seals.Trouble.ShouldNotBeNull().ShouldContain("The audit log is not sealed any more");
        await site.Seals.FollowAsync(None);
        site.Seals.Trouble.ShouldNotBeNull();
        (await site.VerifyAsync()).Findings.ShouldContain(f => f.Kind == FindingKind.AuditChanged && f.Message.Contains("is chained, but no checkpoint has sealed it"));

        await site.Database.ExecuteAsync("DELETE FROM audit_log WHERE sequence > 1000");
        await site.Seals.SealAsync(None);
        site.Seals.Trouble.ShouldBeNull();
        (await site.VerifyAsync()).Findings.ShouldBeEmpty();
    }

    [Fact]
    public async Task Verify_OfAnAuditLogThatWasChangedAtSeveralPlaces_NamesEachOfThem()
    {
        await using var site = await CreateAsync(new Random(15));
        for (var i = 0; i < 12; i++)
        {
            await site.AuditAsync();
            if (i % 3 == 2)
            {
                await site.Seals.SealAsync(None);
            }
        }

        await site.Database.ExecuteAsync("UPDATE audit_log SET actor_name = 'Somebody Else' WHERE sequence IN (2, 8)");
        await site.Database.ExecuteAsync("DELETE FROM audit_log WHERE sequence IN (4, 9)");
        (await site.VerifyAsync()).Findings.Select(f => (f.Kind, f.Sequence)).ShouldBe(
            [(FindingKind.AuditChanged, 2), (FindingKind.AuditChanged, 5), (FindingKind.AuditChanged, 8), (FindingKind.AuditMissing, 9), (FindingKind.AuditChanged, 10)]);
        (await site.Database.Get<IHistoryVerifications>().VerifyAsync([], (6, 8), None)).Findings.ShouldHaveSingleItem().Sequence.ShouldBe(8);
    }

    [Fact]
    public async Task Verify_AfterABackupWasRestored_NamesWhatIsLostAndGoesOnBehindIt()
    {
        await using var site = await CreateAsync(new Random(16));
        for (var i = 0; i < 8; i++)
        {
            await site.AuditAsync();
            if (i % 4 == 3)
            {
                await site.Seals.SealAsync(None);
            }
        }

        // What a backup from after the first checkpoint would have.
        await site.Database.ExecuteAsync("DELETE FROM audit_checkpoints WHERE number = 2");
        await site.Database.ExecuteAsync("DELETE FROM audit_sealed_heads WHERE checkpoint = 2");
        await site.Database.ExecuteAsync("UPDATE audit_chain_seals SET sequence = 4");
        await site.TruncateAuditLogAsync(4);
        await site.Seals.SealAsync(None);
        site.Seals.Trouble.ShouldBeNull();
        (await site.Database.Get<Persistence.Identity.IAuditLog>().ReadAsync(4, 10, None)).ShouldHaveSingleItem().Record.ShouldSatisfyAllConditions(r => r.Action.ShouldBe("checkpoints put back"), r => r.Subject.ShouldBe("2 to 2"));
        (await site.VerifyAsync()).Findings.ShouldHaveSingleItem().ShouldSatisfyAllConditions(f => f.Kind.ShouldBe(FindingKind.AuditMissing), f => f.Sequence.ShouldBe(5), f => f.Message.ShouldContain("Records 5 to 8"));

        for (var i = 0; i < 6; i++)
        {
            await site.AuditAsync();
        }

        await site.Seals.SealAsync(None);
        (await site.VerifyAsync()).Findings.ShouldHaveSingleItem();
        await site.Database.ExecuteAsync("UPDATE audit_log SET reason = 'another' WHERE sequence = 10");
        (await site.VerifyAsync()).Findings.Select(f => f.Sequence).ShouldBe([5, 10]);
    }

    [Fact]
    public async Task Verify_WithTheKeysThatAreTrusted_FindsOneThatNobodyKnows()
    {
        await using var site = await CreateAsync(new Random(17));
        await site.StartAsync();
        var key = (await site.Seals.SealAsync(None))!.Checkpoint.Key;
        await site.Seals.RotateKeyAsync(None);
        (await site.VerifyTrustingAsync(key)).Findings.ShouldBeEmpty();
        (await site.VerifyTrustingAsync("0123456789abcdef")).Findings.ShouldHaveSingleItem().Message.ShouldContain(key);
    }

    [Fact]
    public async Task Follow_OfAKeyThatIntroducesItself_SaysSoLoudlyOnce()
    {
        await using var site = await CreateAsync(new Random(18));
        var log = new Loud();
        using var other = new HistorySeals(site.Database.Get<IDatabase>(), new SealFolder(Path.Combine(site.Folder.Path, "other")), site.Time, log);
        await site.StartAsync();
        var key = (await site.Seals.SealAsync(None))!.Checkpoint.Key;
        await site.Seals.RotateKeyAsync(None);
        await site.StartAsync();
        await site.Seals.SealAsync(None);

        await other.FollowAsync(None);
        await other.FollowAsync(None);
        log.Said.ShouldHaveSingleItem().ShouldContain(key);
    }

    /// <summary>What was logged as critical.</summary>
    private sealed class Loud : ILogger<HistorySeals>
    {
        public List<string> Said { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel == LogLevel.Critical;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Said.Add(formatter(state, exception));
    }
}
