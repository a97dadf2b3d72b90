using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>A failover server that owes material of one recorder and is needed for another.</summary>
public sealed class OwedMaterialTests
{
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
