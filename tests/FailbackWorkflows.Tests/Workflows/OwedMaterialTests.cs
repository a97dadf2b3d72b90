using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>A failover server that owes material of one recorder and is needed for another.</summary>
public sealed class OwedMaterialTests
{
    // Scenario 24: what is owed counts with the size it has, not with a figure per period, and does not give way.
    [Theory]
    [InlineData(49_000_000_000, 0, 999_000_000, "Recorder 4 has room for 999 MB (0 free above its reserve, 999 that it may clear) and needs 1000: 1000 for this duty and for each of others that it has. 49000 MB are held until they are home.")]
    [InlineData(49_000_000_000, 0, 1_000_000_000, null)]
    [InlineData(49_000_000_000, 1_000_000_000, 0, null)]
    [InlineData(49_000_000_000, 400_000_000, 599_999_999, "has room for 999 MB (400 free above its reserve, 599 that it may clear)")]
    public async Task Candidate_WithMaterialOfEndedPeriods_NeedsRoomBesideWhatItHolds(long held, long free, long clearable, string? whyNot)
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.ChangeServerAsync(FailbackWorld.Spare, server => server with { FailoverGroup = "hall" });
        var candidate = await world.AddServerAsync("rec-4", "hall");
        (candidate.FreeBytes, candidate.Weight) = (FakeRecorder.ReserveBytes + free, (held, clearable));

        // Three periods that have ended and are owed.
        await world.ApplyAsync([.. Enumerable.Range(1, 3).Select(n => new SaveFailoverLogEntry(FailbackWorld.NewEntry($"owed-{n}", world.Time.GetUtcNow()) with
        {
            FailedServerId = FailbackWorld.Spare,
            FailoverServerId = "rec-4",
            Failback = FailbackState.Done,
            MaterialCopy = MaterialCopyState.Queued,
        }))]);

        var selected = await world.Node.Get<FailoverServerSelection>().SelectAsync(FailbackWorld.Spare, enough: null, default);

        var asked = selected.Candidates.Single();
        (asked.OwedPeriods, asked.HeldBytes, asked.ClearableBytes, asked.FreeBytes).ShouldBe((3, held, clearable, free));
        (selected.Chosen?.ServerId).ShouldBe(whyNot is null ? "rec-4" : null);
        (asked.WhyNot ?? "").ShouldContain(whyNot ?? "");
    }

    // Scenario 24: taken only with room to write; the older hold stays, and the material of the two recorders stays apart.
    [Fact]
    public async Task FailoverServer_TakenForAnotherWhileItOwes_KeepsBothHoldsAndCopiesOnlyWhatIsOwed()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        var owed = world.FailoverRecorder.Holds[FailbackWorld.Entry];
        await world.PollAsync();
        await world.Node.Get<FailbackWorkflows.Failback.SettingsCache.RefreshSettings>().ExecuteAsync(default);
        world.Recorders[FailbackWorld.Spare].Die();
        world.FailoverRecorder.CannotWriteBecause = "there is no room beyond what is held.";

        var full = await world.EndAsync((await world.StartFailoverAsync("no-room", FailbackWorld.Spare)).RunId!);
        world.FailoverRecorder.CannotWriteBecause = null;
        var started = await world.StartFailoverAsync("room", FailbackWorld.Spare);
        var taken = await world.EndAsync(started.RunId!);

        (full.Result, full.RefusedCheck).ShouldBe(("refused", 1));
        full.Message!.ShouldContain("no room");
        taken.Result.ShouldBe("done", taken.Message);
        world.FailoverRecorder.Holds[FailbackWorld.Entry].ShouldBe(owed);
        var second = world.FailoverRecorder.Holds[started.EntryId!];
        (second.Identity, second.ToUtc).ShouldBe((FailbackWorld.Spare, null));
        (await world.EntryAsync()).OwesMaterial.ShouldBeTrue();

        var copy = await play.CopyAsync();

        await play.ShouldBeCopiedAsync(copy);
        var definition = (await play.TaskAsync()).Definition!;
        (definition.Identity, definition.EntryId).ShouldBe((FailbackWorld.Failed, FailbackWorld.Entry));
        world.FailoverRecorder.Released.Keys.ShouldBe([FailbackWorld.Entry]);
        world.FailoverRecorder.Holds[started.EntryId!].ShouldBe(second);
        world.FailoverRecorder.Duty(FailbackWorld.Spare).IsRecording.ShouldBeTrue();
        (await world.EntryAsync()).MaterialCopy.ShouldBe(MaterialCopyState.Copied);
        (await world.EntryAsync(started.EntryId!)).MaterialCopy.ShouldBe(MaterialCopyState.NotStarted);
    }
}
