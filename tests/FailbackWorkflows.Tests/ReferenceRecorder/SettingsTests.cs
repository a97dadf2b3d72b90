using System.Net;
using System.Net.Http.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.Recorders.Settings;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder;

public sealed class SettingsTests
{
    private static readonly DutyAuthority Authority = new(1, 0);

    [Fact]
    public async Task Settings_ActivatedAndRolledBack_AreNewRevisionsWithTheSameDigests()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        var seeded = await host.SettingsAsync();

        var activated = await host.ConfigureAsync(RecorderHost.Content(3), 1, seeded.Revision);
        var rolledBack = await host.Client.RollBackSettingsAsync(host.Endpoint, new RollBackSettingsCommand(RecorderHost.Identity, Authority, seeded.Revision), "back", default);

        seeded.Sha256.ShouldBe(SettingsDigest.Compute(RecorderHost.Content()));
        activated.ShouldBe(new SettingsRevision(RecorderHost.Identity, 2, SettingsDigest.Compute(RecorderHost.Content(3)), false));
        rolledBack.ShouldBe(new SettingsRevision(RecorderHost.Identity, 3, seeded.Sha256, false));
        (await host.RecordingAsync()).Channels.Count.ShouldBe(3);
    }

    [Fact]
    public async Task Activation_WhileRecording_SwitchesAtOnce()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.PassAsync(TimeSpan.FromSeconds(1));

        await host.ConfigureAsync(RecorderHost.Content(2), 1, 1);
        await host.PassAsync(TimeSpan.FromSeconds(1));

        (await host.RecordingAsync()).Channels.ShouldAllBe(c => c.Recording && c.FirstFrameAt != null);
    }

    [Fact]
    public async Task Activation_OverAnotherRevision_IsRefused()
    {
        await using var host = await RecorderHost.StartSeededAsync();

        (await Should.ThrowAsync<RecorderException>(() => host.ConfigureAsync(RecorderHost.Content(2), 1, 7))).ProblemType.ShouldBe(RecorderProblems.RevisionChanged);

        (await host.SettingsAsync()).Revision.ShouldBe(1);
    }

    [Fact]
    public async Task Settings_Frozen_CannotBeChangedUntilUnfrozen()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        (await host.Client.FreezeSettingsAsync(host.Endpoint, new FreezeSettingsCommand(RecorderHost.Identity, Authority, true), "freeze", default)).Frozen.ShouldBeTrue();

        (await Should.ThrowAsync<RecorderException>(() => host.ConfigureAsync(RecorderHost.Content(2), 1, 1))).ProblemType.ShouldBe(RecorderProblems.SettingsFrozen);
        using var local = await PutLocallyAsync(host, RecorderHost.Content(2));
        local.StatusCode.ShouldBe(HttpStatusCode.Conflict);

        await host.Client.FreezeSettingsAsync(host.Endpoint, new FreezeSettingsCommand(RecorderHost.Identity, Authority, false), "unfreeze", default);
        using var again = await PutLocallyAsync(host, RecorderHost.Content(2));
        again.StatusCode.ShouldBe(HttpStatusCode.OK);
        (await host.SettingsAsync()).Revision.ShouldBe(2);
    }

    // Whoever froze them may be gone when the duty has moved on: nobody would be left to lift it.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Settings_Frozen_AreNotAnyMoreUnderALargerEpoch(bool isAssigned)
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.Client.FreezeSettingsAsync(host.Endpoint, new FreezeSettingsCommand(RecorderHost.Identity, Authority, true), "freeze", default);
        await host.Client.AssignDutyAsync(host.Endpoint, RecorderHost.Identity, new(DutyRole.Recorder, 1, "seed", 1), "same", default);
        (await host.SettingsAsync()).Frozen.ShouldBeTrue();

        if (isAssigned)
        {
            await host.Client.AssignDutyAsync(host.Endpoint, RecorderHost.Identity, new(DutyRole.Recorder, 2, "next", 1), "assign", default);
        }
        else
        {
            await host.Client.StopRecordingAsync(host.Endpoint, new(RecorderHost.Identity, new(2, 1)), "stop", default);
        }

        (await host.SettingsAsync()).Frozen.ShouldBeFalse();
    }

    // Whoever has the settings already is told so, and gets nothing.
    [Fact]
    public async Task Settings_AskedForByTheirTag_AreSentOnlyWhenTheyAreOthers()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        var known = await host.SettingsAsync();
        known.ActivatedAtUtc.ShouldNotBeNull();
        using var answer = await host.SendAsync(HttpMethod.Get, $"v1/duties/{RecorderHost.Identity}/config", headers: ("If-None-Match", SettingsTag.Of(known.Revision, known.Sha256)));
        (answer.StatusCode, (await answer.Content.ReadAsByteArrayAsync()).Length).ShouldBe((HttpStatusCode.NotModified, 0));
        answer.Headers.ETag!.Tag.ShouldBe(SettingsTag.Of(known.Revision, known.Sha256));
        Task<SettingsBundle?> FindAsync(long revision, string sha256) => host.Client.FindChangedSettingsAsync(host.Endpoint, RecorderHost.Identity, revision, sha256, default);

        (await FindAsync(known.Revision, known.Sha256)).ShouldBeNull();
        await host.Client.FreezeSettingsAsync(host.Endpoint, new FreezeSettingsCommand(RecorderHost.Identity, Authority, true), "freeze", default);
        (await FindAsync(known.Revision, known.Sha256)).ShouldBeNull();
        // A revision number that came again with another content, as after a restored backup.
        (await FindAsync(known.Revision, new string('0', 64))).ShouldNotBeNull().Sha256.ShouldBe(known.Sha256);
        await host.Client.FreezeSettingsAsync(host.Endpoint, new FreezeSettingsCommand(RecorderHost.Identity, Authority, false), "unfreeze", default);
        using var local = await PutLocallyAsync(host, RecorderHost.Content(2));
        (await FindAsync(known.Revision, known.Sha256)).ShouldNotBeNull().Revision.ShouldBe(2);
    }

    [Fact]
    public async Task Activation_OverTheWholeTag_IsAccepted()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        var known = await host.SettingsAsync();
        var staged = await host.Client.StageSettingsAsync(
            host.Endpoint, new StageSettingsCommand(RecorderHost.Identity, Authority, RecorderHost.Content(2), SettingsDigest.Compute(RecorderHost.Content(2))), "stage", default);

        using var answer = await host.SendAsync(
            HttpMethod.Post,
            $"v1/duties/{RecorderHost.Identity}/config/staged/{staged.StagedId}:activate",
            headers: [("If-Match", SettingsTag.Of(known.Revision, known.Sha256)), (RecorderHeaders.IdempotencyKey, "activate"), (RecorderHeaders.DutyEpoch, "1"), (RecorderHeaders.DutyFence, "0")]);

        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Staging_WithAnotherDigest_IsRefused()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        var damaged = RecorderHost.Content() with { Files = [new ConfigurationFile("a.conf", "AAAA", new string('0', 64))] };

        var wrongDigest = await Should.ThrowAsync<RecorderException>(() => host.Client.StageSettingsAsync(
            host.Endpoint, new StageSettingsCommand(RecorderHost.Identity, Authority, RecorderHost.Content(), new string('0', 64)), "a", default));
        var wrongFile = await Should.ThrowAsync<RecorderException>(() => host.Client.StageSettingsAsync(
            host.Endpoint, new StageSettingsCommand(RecorderHost.Identity, Authority, damaged, SettingsDigest.Compute(damaged)), "b", default));

        wrongDigest.ProblemType.ShouldBe(RecorderProblems.DigestMismatch);
        wrongFile.ProblemType.ShouldBe(RecorderProblems.DigestMismatch);
    }

    [Theory]
    [InlineData("channels", "{}", "channels")]
    [InlineData("channels", "[{\"id\":\"a\",\"kind\":\"radar\"}]", "channels[0].kind")]
    [InlineData("channels", "[{\"id\":\"a\",\"kind\":\"video\"},{\"id\":\"a\",\"kind\":\"video\"}]", "channels[1].id")]
    [InlineData("channels", "[{\"id\":\"a\",\"slot\":1,\"kind\":\"video\"},{\"id\":\"b\",\"slot\":1,\"kind\":\"video\"}]", "channels[1].slot")]
    [InlineData("channels", "[{\"id\":\"../a\",\"kind\":\"video\"}]", "channels[0].id")]
    [InlineData("channels", "[{\"id\":\"a\",\"kind\":\"video\",\"enabled\":\"yes\"}]", "channels[0].enabled")]
    [InlineData("channels", "[{\"id\":\"a\",\"kind\":\"video\",\"storagePath\":\"/no/such/folder\"}]", "channels[0].storagePath")]
    [InlineData("channels", "[7]", "channels[0]")]
    [InlineData("masks", "[{\"id\":\"m\",\"channelId\":\"nobody\",\"type\":\"privacy\",\"polygon\":[[0,0],[1,0],[1,1]]}]", "masks[0].channelId")]
    [InlineData("masks", "[{\"id\":\"m\",\"channelId\":\"video-1\",\"type\":\"privacy\",\"polygon\":[[0,0],[1,0]]}]", "masks[0].polygon")]
    [InlineData("masks", "[{\"id\":\"m\",\"channelId\":\"video-1\",\"type\":\"privacy\",\"polygon\":[[0,0],[1,0],[1,1.5]]}]", "masks[0].polygon[2]")]
    [InlineData("schedules", "[{\"id\":\"s\",\"channelId\":\"nobody\",\"rule\":\"FREQ=WEEKLY\"}]", "schedules[0].channelId")]
    [InlineData("retention", "{\"maximumRetentionTime\":\"a month\"}", "retention.maximumRetentionTime")]
    public async Task Validation_OfSettingsThatDoNotFit_NamesThePlace(string section, string json, string path)
    {
        await using var host = await RecorderHost.StartSeededAsync();
        var value = RecorderHost.Json(json);
        var content = RecorderHost.Content();
        content = section switch
        {
            "channels" => content with { Channels = value },
            "masks" => content with { Masks = value },
            "schedules" => content with { Schedules = value },
            _ => content with { Retention = value },
        };

        var validation = await host.Client.ValidateSettingsAsync(host.Endpoint, RecorderHost.Identity, content, default);

        validation.IsAcceptable.ShouldBeFalse();
        validation.Findings.ShouldContain(f => f.Path == path);
        (await Should.ThrowAsync<RecorderException>(() => host.ConfigureAsync(content, 1, 1))).ProblemType.ShouldBe(RecorderProblems.SettingsInvalid);
    }

    [Theory]
    [InlineData("../etc/passwd")]
    [InlineData("/etc/passwd")]
    [InlineData("C:\\recorder.conf")]
    [InlineData("a//b")]
    public async Task Validation_OfFilePathsThatLeaveTheirPlace_IsAnError(string path)
    {
        await using var host = await RecorderHost.StartSeededAsync();
        var content = RecorderHost.Content() with { Files = [new ConfigurationFile(path, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")] };

        (await host.Client.ValidateSettingsAsync(host.Endpoint, RecorderHost.Identity, content, default)).Findings.Single().Path.ShouldBe("files[0].path");
    }

    // Scenario 14: whatever broke off, nothing is recorded without its privacy masks.
    [Fact]
    public async Task Recording_WithoutARequiredMask_IsRefused()
    {
        await using var host = await RecorderHost.StartAsync();
        await host.AssignAsync(DutyRole.Recorder, 1, "run-1");
        await host.ConfigureAsync(RecorderHost.Content() with { Masks = RecorderHost.Json("[]") }, 1);

        (await Should.ThrowAsync<RecorderException>(() => host.StartRecordingAsync(1))).ProblemType.ShouldBe(RecorderProblems.MasksMissing);

        await host.ConfigureAsync(RecorderHost.Content(), 1, 1);
        await host.StartRecordingAsync(1);
        (await Should.ThrowAsync<RecorderException>(() => host.ConfigureAsync(RecorderHost.Content() with { Masks = RecorderHost.Json("[]") }, 1, 2))).ProblemType.ShouldBe(RecorderProblems.MasksMissing);
    }

    [Fact]
    public async Task Recording_WithoutSettings_IsRefused()
    {
        await using var host = await RecorderHost.StartAsync();
        await host.AssignAsync(DutyRole.Recorder, 1, "run-1");

        (await Should.ThrowAsync<RecorderException>(() => host.StartRecordingAsync(1))).ProblemType.ShouldBe(RecorderProblems.NotConfigured);
        (await host.SettingsAsync()).Revision.ShouldBe(0);
    }

    private static Task<HttpResponseMessage> PutLocallyAsync(RecorderHost host, SettingsContent content) =>
        host.Raw.PutAsJsonAsync($"v1/duties/{RecorderHost.Identity}/config", new SettingsBody(content), RecorderJson.Options);
}
