using System.Security.Cryptography;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Checks;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>Each of the five checks says no with its number, and nothing was touched.</summary>
public sealed class FailbackRefusedTests
{
    /// <summary>Situation, number of the check that refuses, part of its sentence.</summary>
    public static TheoryData<string, int, string> Situations { get; } = new()
    {
        // Scenario 2.
        { "failover running", 1, "still running" },
        { "failover failed", 1, "nothing to bring back" },
        { "failback done", 1, "done already" },
        // Scenario 11.
        { "newer entry open", 1, "newer failover" },
        // Scenario 3.
        { "duty granted elsewhere", 2, "is with rec-3" },
        { "failover server stands by", 2, "does not act" },
        { "failover server learned a higher epoch", 2, "does not act" },
        { "failover server records nothing", 2, "records none" },
        { "failover server is away", 2, "does not answer" },
        { "failover server refuses the credential", 2, "refused to be asked" },
        // Scenario 4.
        { "failed server marked ok", 3, "not marked broken" },
        { "failed server records itself", 3, "records its own duty" },
        { "failed server has a higher epoch", 3, "records its own duty" },
        { "failed server is away", 3, "does not answer" },
        { "failed server refuses the credential", 3, "refused to be asked" },
        // Scenario 9.
        { "failed server cannot write", 3, "disk 1 is read-only" },
        { "failed server cannot write a channel", 3, "Recorder 1 answers but cannot write Channel video-2: drive E is gone. Repair where they are stored" },
        // Scenario 10.
        { "another machine", 3, "is not Recorder 1" },
        { "older software", 3, "older software" },
        // Scenario 5.
        { "licence expired", 4, "expired" },
        { "licence without failover", 4, "does not cover failover" },
        { "licence for fewer recorders", 4, "covers 2 recorders, 3 are registered" },
        { "licence for another site", 4, "issued for the site 'elsewhere', this is 'test'" },
        { "licence missing", 4, "No licence is installed" },
        { "licence tampered", 4, "was changed after it was issued" },
        { "licence of another issuer", 4, "was issued by somebody else" },
        { "licence not yet valid", 4, "valid only from" },
        { "licence unreadable", 4, "cannot be read" },
        { "licence past its grace period", 4, "expired on" },
    };

    // Scenario 9: nobody waits for frames of a channel that is not required, and not every recorder tests its channels.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Check3_ChannelThatIsNotRequiredOrNotTested_DoesNotHoldTheFailbackUp(bool isTested)
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.ProbesChannels = isTested;
        world.FailedRecorder.UnwritableChannels["video-2"] = "drive E is gone.";
        world.FailedRecorder.UnrequiredChannels.Add("video-2");

        (await world.FailBackAsync()).Result.ShouldBe("done");
    }

    [Theory]
    [MemberData(nameof(Situations))]
    public async Task Check_Fails_RefusesWithItsNumberAndTouchesNothing(string situation, int check, string sentence)
    {
        await using var world = await FailbackWorld.CreateAsync();
        await ArrangeAsync(world, situation);
        var (entry, server, duty) = (await world.EntryAsync(), await world.ServerAsync(), await world.DutyAsync());
        var recorders = (world.FailedDuty.ToState() with { Fence = 0 }, world.FailoverDuty.ToState() with { Fence = 0 });

        var run = await world.FailBackAsync();

        (run.SubStatus, run.Result, run.RefusedCheck).ShouldBe((WorkflowSubStatus.Finished, "refused", check));
        run.Message!.ShouldContain(sentence);
        (await world.EntryAsync()).ShouldBe(entry);
        (await world.ServerAsync()).ShouldBe(server);
        (await world.DutyAsync()).ShouldBe(duty with { Fence = (await world.DutyAsync()).Fence });
        (await world.ClaimsAsync()).ShouldBeEmpty();
        world.Recorders.Effects.ShouldBeEmpty();
        (world.FailedDuty.ToState() with { Fence = 0 }, world.FailoverDuty.ToState() with { Fence = 0 }).ShouldBe(recorders);
        (world.FailedDuty.Sha256, world.FailedDuty.Revision).ShouldBe((Outcomes.OldDigest, 1));
        var step = run.Report.Steps.Single(s => s.Number == check);
        (step.State, step.Message).ShouldBe((RunStepState.Refused, run.Message));
        run.Report.Steps.Where(s => s.Number > check).ShouldAllBe(s => s.State == RunStepState.NotExecuted);
    }

    // Scenario 5: each refusal has a sentence of its own that says what to do next.
    [Fact]
    public void Licence_EachRefusal_IsATestOfItsOwnWithAnotherSentence()
    {
        var sentences = Situations.Where(s => s[1] is CheckLicense.Number && s[0] is not ("licence past its grace period" or "licence of another issuer")).Select(s => (string)s[2]).ToList();

        sentences.Count.ShouldBe(Enum.GetValues<LicenseFinding>().Length - 3, "all findings but valid, in the grace period, and no issuer, which is a matter of the configuration");
        sentences.Distinct().Count().ShouldBe(sentences.Count);
    }

    [Fact]
    public async Task SplitBrain_FoundByCheck3_RaisesAnAlarm()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await ArrangeAsync(world, "failed server records itself");

        await world.FailBackAsync();

        (await world.AlarmsAsync()).Single().ShouldContain("split brain");
    }

    [Fact]
    public async Task Claim_HeldByAnotherRun_IsRefusedByCheck5AndStaysTheirs()
    {
        await using var world = await FailbackWorld.CreateAsync();
        StartRunResult? started = null;
        var hasStarted = new TaskCompletionSource();
        world.Recorders.Before(FailbackWorld.Failed, "Probe", async () =>
        {
            await hasStarted.Task;
            await world.ApplyAsync(
                new ReleaseClaims(started!.RunId!),
                new TakeClaims("other-run", "failover", [DutyClaim.Identity(FailbackWorld.Failed)], world.Time.GetUtcNow()));
        });
        started = await world.StartFailbackAsync();
        hasStarted.SetResult();

        var run = await world.EndAsync(started.RunId!);

        (run.Result, run.RefusedCheck).ShouldBe(("refused", 5));
        run.Message!.ShouldContain("other-run");
        (await world.ClaimsAsync()).ShouldBe([DutyClaim.Identity(FailbackWorld.Failed)]);
        (await world.EntryAsync()).Failback.ShouldBe(FailbackState.NotStarted);
    }

    [Fact]
    public async Task Entry_Unknown_StartsNothing()
    {
        await using var world = await FailbackWorld.CreateAsync();

        var result = await world.StartFailbackAsync(entryId: "no-such-entry");

        (result.Outcome, result.RunId).ShouldBe((StartRunOutcome.Unknown, null));
        result.Message!.ShouldContain("no-such-entry");
        world.Store.Commits.ShouldBeEmpty();
    }

    // What a check did not foresee stops the run in sight; in steps 1 to 5 nothing stays claimed.
    [Fact]
    public async Task Check_BreaksUnexpectedly_FaultsAndReleasesEveryClaim()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.Before(FailbackWorld.Failed, "Probe", () => throw new InvalidOperationException("A bug."));

        var run = await world.FailBackAsync();

        (run.SubStatus, run.Result).ShouldBe((WorkflowSubStatus.Faulted, "faulted"));
        (await world.ClaimsAsync()).ShouldBeEmpty();
        (await world.EntryAsync()).Failback.ShouldBe(FailbackState.NotStarted);
        await world.ShouldBeDoneAsync(await world.FailBackAsync("request-2"));
    }

    // A failover server that came up again and waits is told that it still has the duty.
    [Fact]
    public async Task FailoverServer_AwaitsItsRole_IsToldAndTheFailbackGoesOn()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailoverRecorder.Boot();

        await world.ShouldBeDoneAsync(await world.FailBackAsync());
    }

    internal static async Task ArrangeAsync(FailbackWorld world, string situation)
    {
        var now = world.Time.GetUtcNow();
        switch (situation)
        {
            case "failover running":
                await world.ApplyAsync(new SaveFailoverLogEntry((await world.EntryAsync()) with { Failover = FailoverState.Running, FailoverEndedAt = null }));
                break;
            case "failover failed":
                await world.ApplyAsync(new SaveFailoverLogEntry((await world.EntryAsync()) with { Failover = FailoverState.Failed }));
                break;
            case "failback done":
                await world.ApplyAsync(new SaveFailoverLogEntry((await world.EntryAsync()) with { Failback = FailbackState.Done }));
                break;
            case "newer entry open":
                await world.ApplyAsync(new SaveFailoverLogEntry(FailbackWorld.NewEntry("newer", now.AddMinutes(-5))));
                break;
            case "duty granted elsewhere":
                await world.ApplyAsync(new GrantEpoch(FailbackWorld.Failed, FailbackWorld.Spare, 5, "x"));
                break;
            case "failover server stands by":
                world.FailoverDuty.Become(DutyRole.Standby, FailbackWorld.FailoverEpoch, "failover-run", isRecording: false);
                break;
            case "failover server learned a higher epoch":
                world.FailoverDuty.Become(DutyRole.Standby, 7, "x", isRecording: false);
                break;
            case "failover server records nothing":
                world.FailoverDuty.Become(DutyRole.Recorder, FailbackWorld.FailoverEpoch, "failover-run", isRecording: false);
                break;
            case "failover server is away":
                world.FailoverRecorder.IsCutOff = true;
                break;
            case "failover server refuses the credential":
                world.FailoverRecorder.Credential = "changed";
                break;
            case "failed server marked ok":
                await world.ApplyAsync(new SaveVmsServer((await world.ServerAsync()) with { State = VmsServerState.Ok }));
                break;
            case "failed server records itself":
                world.FailedDuty.Become(DutyRole.Recorder, 1, "seed", isRecording: true);
                break;
            case "failed server has a higher epoch":
                world.FailedDuty.Become(DutyRole.Standby, 9, "x", isRecording: false);
                break;
            case "failed server is away":
                world.FailedRecorder.IsCutOff = true;
                break;
            case "failed server refuses the credential":
                world.FailedRecorder.Credential = "changed";
                break;
            case "failed server cannot write":
                world.FailedRecorder.CannotWriteBecause = "disk 1 is read-only.";
                break;
            case "failed server cannot write a channel":
                world.FailedRecorder.UnwritableChannels["video-2"] = "drive E is gone.";
                break;
            case "another machine":
                world.FailedRecorder.MachineId = "another-machine";
                break;
            case "older software":
                world.FailedRecorder.SoftwareVersion = "1.3.9";
                break;
            case "licence expired":
                await world.ExpireLicenseAsync();
                break;
            case "licence without failover":
                await world.InstallAsync(TestLicense.Valid(now) with { Features = ["playback"] });
                break;
            case "licence for fewer recorders":
                await world.InstallAsync(TestLicense.Valid(now) with { Recorders = 2 });
                break;
            case "licence for another site":
                await world.InstallAsync(TestLicense.Valid(now) with { Site = "elsewhere" });
                break;
            case "licence missing":
                await using (var session = await world.Get<IDatabase>().BeginWriteAsync(default))
                {
                    await session.ExecuteAsync("DELETE FROM licenses", default);
                    await session.CommitAsync(default);
                }

                break;
            case "licence tampered":
                var signed = TestLicense.Sign(TestLicense.Valid(now), now);
                await world.ApplyAsync(new InstallLicense(signed with { Document = signed.Document.Replace("\"recorders\":10", "\"recorders\":99", StringComparison.Ordinal) }));
                break;
            case "licence of another issuer":
                using (var other = ECDsa.Create(ECCurve.NamedCurves.nistP256))
                {
                    var (document, signature) = LicenseIssuer.Issue(TestLicense.Valid(now), other);
                    await world.ApplyAsync(new InstallLicense(new(document, signature, now, "test")));
                }

                break;
            case "licence not yet valid":
                await world.InstallAsync(TestLicense.Valid(now) with { ValidFrom = now.AddDays(1) });
                break;
            case "licence unreadable":
                await world.ApplyAsync(new InstallLicense(TestLicense.Sign(TestLicense.Valid(now), now) with { Signature = "not base64 at all!" }));
                break;
            case "licence past its grace period":
                await world.InstallAsync(TestLicense.Valid(now) with { ValidUntil = now.AddDays(-14), GraceDays = 14 });
                break;
            default:
                throw new ArgumentException(situation);
        }
    }
}
