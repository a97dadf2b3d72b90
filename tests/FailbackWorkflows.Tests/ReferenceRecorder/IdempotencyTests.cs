using System.Net;
using System.Net.Http.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.ReferenceRecorder.Idempotency;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder;

public sealed class IdempotencyTests
{
    [Fact]
    public async Task Command_RepeatedWithItsKey_TakesEffectOnceAndIsAnsweredAsBefore()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.PassAsync(TimeSpan.FromSeconds(1));

        var stopped = await host.StopRecordingAsync(1, key: "run/stop");
        await host.StartRecordingAsync(1, key: "run/start");
        var repeated = await host.StopRecordingAsync(1, key: "run/stop");

        repeated.AsOf.ShouldBe(stopped.AsOf);
        (await host.DutyAsync()).Recording.ShouldBeTrue();
        var keys = (await host.Raw.GetFromJsonAsync<KeyList>("v1/idempotency-keys?prefix=run/stop", RecorderJson.Options))!.Items;
        keys.Single().ShouldSatisfyAllConditions(k => k.EffectCount.ShouldBe(1), k => k.Replays.ShouldBe(1), k => k.Path.ShouldBe("/v1/recording:stop"));
    }

    [Fact]
    public async Task Command_RepeatedUnderALargerFence_IsTheSameCommand()
    {
        await using var host = await RecorderHost.StartAsync();

        await host.AssignAsync(DutyRole.Standby, 2, "run-1", fence: 1, key: "assign");
        await host.AssignAsync(DutyRole.Standby, 2, "run-1", fence: 5, key: "assign");

        (await host.DutyAsync()).Fence.ShouldBe(5);
        (await Should.ThrowAsync<RecorderException>(() => host.AssignAsync(DutyRole.Standby, 2, "run-1", fence: 1, key: "assign"))).Kind.ShouldBe(RecorderErrorKind.StaleAuthority);
    }

    [Fact]
    public async Task Key_UsedForAnotherRequest_IsRejected()
    {
        await using var host = await RecorderHost.StartAsync();
        await host.AssignAsync(DutyRole.Standby, 2, "run-1", key: "same");

        var error = await Should.ThrowAsync<RecorderException>(() => host.AssignAsync(DutyRole.Standby, 3, "run-2", key: "same"));

        error.ProblemType.ShouldBe(RecorderProblems.KeyReused);
        (await host.DutyAsync()).Epoch.ShouldBe(2);
    }

    [Fact]
    public async Task DefinitiveRefusal_Repeated_StaysRefused()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.AssignAsync(DutyRole.Standby, 2, "run-2");
        await Should.ThrowAsync<RecorderException>(() => host.StartRecordingAsync(2, key: "start"));
        await host.AssignAsync(DutyRole.Recorder, 3, "run-3");

        // The same key can never come to mean success: a redrive draws new ones. Under the new epoch the answer is still the old one.
        (await Should.ThrowAsync<RecorderException>(() => host.StartRecordingAsync(3, key: "start"))).ProblemType.ShouldBe(RecorderProblems.NotRecorder);
        (await host.StartRecordingAsync(3, key: "start-again")).Channels.ShouldAllBe(c => c.Recording);
    }

    [Fact]
    public async Task StaleAuthority_IsNeverRememberedUnderTheKey()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.Client.RaiseFenceAsync(host.Endpoint, RecorderHost.Identity, 5, default);

        await Should.ThrowAsync<RecorderException>(() => host.StopRecordingAsync(1, 4, key: "stop"));

        (await host.StopRecordingAsync(1, 5, key: "stop")).Channels.ShouldAllBe(c => !c.Recording);
    }

    [Fact]
    public async Task NoRoom_IsNotRememberedUnderTheKey()
    {
        await using var host = await RecorderHost.StartSeededAsync(null, "--reserveBytes", long.MaxValue.ToString());
        await host.StopRecordingAsync(1);

        (await Should.ThrowAsync<RecorderException>(() => host.StartRecordingAsync(1, key: "start"))).Kind.ShouldBe(RecorderErrorKind.StorageFull);

        (await host.Raw.GetFromJsonAsync<KeyList>("v1/idempotency-keys?prefix=start", RecorderJson.Options))!.Items.ShouldBeEmpty();
        (await host.Client.ProbeAsync(host.Endpoint, null, default)).Writable.ShouldBeFalse();
    }

    [Fact]
    public async Task Key_SurvivesAKillAndIsForgottenAfterAMonth()
    {
        await using var first = await RecorderHost.StartAsync();
        await first.AssignAsync(DutyRole.Standby, 2, "run-1", key: "assign");
        await using var host = await first.StartAfterKillAsync();

        var request = new HttpRequestMessage(HttpMethod.Put, "v1/duties/vms-1")
        {
            Content = JsonContent.Create(new DutyAssignment(DutyRole.Standby, 2, "run-1", 0), options: RecorderJson.Options),
        };
        request.Headers.Add(RecorderHeaders.IdempotencyKey, "assign");
        using var replay = await host.Raw.SendAsync(request);

        replay.StatusCode.ShouldBe(HttpStatusCode.OK);
        replay.Headers.GetValues(RecorderHeaders.IdempotencyReplayed).ShouldBe(["true"]);
        host.Store.Transact(sql => KeyStore.Purge(sql, host.Time.GetUtcNow().AddDays(30))).ShouldBe(0);
        host.Store.Transact(sql => KeyStore.Purge(sql, host.Time.GetUtcNow().AddDays(32))).ShouldBe(1);
    }
}
