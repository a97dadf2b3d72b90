using System.Net;
using System.Net.Http.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Queue;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder.MaterialCopy;

/// <summary>The queue, orders, and who may give them.</summary>
public sealed class CopyTaskTests
{
    // Scenario 42.
    [Fact]
    public async Task StartDataCopy_AgainWithTheSameDefinition_IsHarmless_AndAnotherIsRefused()
    {
        await using var host = await CopyHost.StartAsync();
        (await host.SendRawAsync(HttpMethod.Post, "v1/copy-tasks", CopyHost.Definition(), key: "k-1")).StatusCode.ShouldBe(HttpStatusCode.Created);
        (await host.SendRawAsync(HttpMethod.Post, "v1/copy-tasks", CopyHost.Definition(), key: "k-2")).StatusCode.ShouldBe(HttpStatusCode.OK);
        var other = await host.SendRawAsync(HttpMethod.Post, "v1/copy-tasks", CopyHost.Definition(length: TimeSpan.FromMinutes(2)), key: "k-3");
        other.StatusCode.ShouldBe(HttpStatusCode.Conflict);
        (await other.Content.ReadAsStringAsync()).ShouldContain(RecorderProblems.CopyTaskConflict);
    }

    // Ended tasks stay in the list, one for every failover there ever was.
    [Fact]
    public async Task List_InPages_ShowsEveryTaskOnceInTheOrderOfTheQueue()
    {
        await using var host = await CopyHost.StartAsync();
        for (var i = 1; i <= 5; i++)
        {
            await host.SendAsync<CopyTask>(HttpMethod.Post, "v1/copy-tasks", CopyHost.Definition($"task-{i}"));
        }

        var seen = new List<string>();
        string? token = null;
        do
        {
            var page = await ListAsync($"?limit=2{(token is null ? "" : $"&pageToken={token}")}");
            page.Items.Count.ShouldBeLessThanOrEqualTo(2);
            seen.AddRange(page.Items.Select(t => t.TaskId));
            token = page.NextPageToken;
        }
        while (token is not null);

        seen.ShouldBe(["task-1", "task-2", "task-3", "task-4", "task-5"]);
        var all = await ListAsync("");
        (all.Items.Count, all.NextPageToken).ShouldBe((5, null), "who asks for no page gets all");
        (await host.Target.Raw.GetAsync("v1/copy-tasks?limit=0")).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await host.Target.Raw.GetAsync("v1/copy-tasks?pageToken=x")).StatusCode.ShouldBe(HttpStatusCode.BadRequest);

        async Task<CopyTaskList> ListAsync(string query) => (await host.Target.Raw.GetFromJsonAsync<CopyTaskList>($"v1/copy-tasks{query}", RecorderJson.Options))!;
    }

    [Fact]
    public async Task Orders_OfALowerFenceOrEpoch_AreRefused_AndAKnownKeyGetsTheFirstAnswer()
    {
        await using var host = await CopyHost.StartAsync();
        (await host.SendRawAsync(HttpMethod.Post, "v1/copy-tasks", CopyHost.Definition(), fence: 5)).StatusCode.ShouldBe(HttpStatusCode.Created);
        (await host.SendRawAsync(HttpMethod.Post, "v1/copy-tasks/task-1:pause", null, fence: 4)).StatusCode.ShouldBe(HttpStatusCode.PreconditionFailed);
        (await host.SendRawAsync(HttpMethod.Post, "v1/copy-tasks/task-1:pause", null, epoch: 0, fence: 6)).StatusCode.ShouldBe(HttpStatusCode.PreconditionFailed);
        (await host.SendRawAsync(HttpMethod.Post, "v1/copy-tasks/task-1:pause", null, fence: 5, key: "pause")).StatusCode.ShouldBe(HttpStatusCode.OK);
        var again = await host.SendRawAsync(HttpMethod.Post, "v1/copy-tasks/task-1:pause", null, fence: 6, key: "pause");
        again.Headers.GetValues("Idempotency-Replayed").Single().ShouldBe("true");
        (await host.Target.DutyAsync()).Fence.ShouldBe(0);
    }

    [Fact]
    public async Task ATaskThatWaitsForItsSource_DoesNotHoldUpTheNext()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 3);
        await host.SendAsync<CopyTask>(HttpMethod.Post, "v1/copy-tasks", CopyHost.Definition());
        await host.SetSourceAsync(url: new Uri("http://127.0.0.1:9"));
        await host.StartCopyAsync(CopyHost.Definition("task-2"));

        (await host.EndAsync("task-2")).State.ShouldBe(CopyTaskState.Copied);
        var waiting = await host.UntilAsync(t => t.State == CopyTaskState.WaitingForSource);
        waiting.LastError.ShouldNotBeNull().ShouldContain("cannot be reached");

        await host.SetSourceAsync();
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.NothingToCopy);
    }

    [Fact]
    public async Task ATaskThatCannotEvenBegin_DoesNotHoldUpTheNext_AndSaysWhy()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 3);
        await host.StartCopyAsync();
        await host.UntilAsync(t => t.EndedAt is not null);
        await host.Target.Store.WriteAsync(sql => sql.Run("UPDATE copy_tasks SET state = 'queued', ended_at = NULL, source_url = 'no address'"), default);
        await host.StartCopyAsync(CopyHost.Definition("task-2"));

        (await host.EndAsync("task-2")).State.ShouldBe(CopyTaskState.NothingToCopy);
        (await host.TaskAsync()).ShouldSatisfyAllConditions(t => t.State.ShouldBe(CopyTaskState.Queued), t => t.LastError.ShouldNotBeNull().ShouldContain("could not begin"));
        await host.SetSourceAsync();
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
    }

    [Fact]
    public async Task ARetryAfterAFailure_GivesEachChannelAllItsAttemptsAgain()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 3);
        var failures = int.MaxValue;
        host.Source.Instead = async context =>
        {
            if (!context.Request.Path.Value!.EndsWith("/segments", StringComparison.Ordinal) || failures == 0)
            {
                return false;
            }

            failures--;
            await FakeSource.ProblemAsync(context, 500);
            return true;
        };
        await host.StartCopyAsync();
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Failed);

        // The survey asks three times, and so does the first attempt at copying.
        failures = 6;
        await host.OrderAsync(CopyOrder.Retry);

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
    }

    [Fact]
    public async Task TheVault_ThatCouldNotMakeItsKeyOnce_MakesItTheNextTime()
    {
        await using var host = await CopyHost.StartAsync();
        var vault = host.Target.App.Services.GetRequiredService<TokenVault>();
        var inTheWay = Directory.CreateDirectory(Path.Combine(host.Target.Folder, "copy.key"));
        Should.Throw<Exception>(() => vault.Seal("task-1", "read-token"));
        inTheWay.Delete();

        vault.Open("task-1", vault.Seal("task-1", "read-token")).ShouldBe("read-token");
    }

    // Scenario 54.
    [Fact]
    public async Task APause_HoldsUntilResumed_AndCancelKeepsWhatIsCopied()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 10);
        var reached = new TaskCompletionSource();
        host.Source.Instead = async context =>
        {
            if (host.Source.SegmentReads > 5 && context.Request.Path.Value!.Contains("/segments/", StringComparison.Ordinal))
            {
                reached.TrySetResult();
                await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
                return true;
            }

            return false;
        };
        await host.StartCopyAsync();
        await reached.Task;
        (await host.OrderAsync(CopyOrder.Pause)).PauseReason.ShouldBe(CopyPauseReason.Operator);
        host.Source.Instead = null;
        (await host.OrderAsync(CopyOrder.Cancel)).State.ShouldBe(CopyTaskState.Cancelled);
        (await host.SendRawAsync(HttpMethod.Post, "v1/copy-tasks/task-1:pause", null)).StatusCode.ShouldBe(HttpStatusCode.Conflict);

        await host.OrderAsync(CopyOrder.Retry);
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        host.Rows().Count.ShouldBe(10);
    }

    [Fact]
    public async Task WithoutAuthority_ItPauses_AndGoesOnByItself()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 3);
        await host.Target.AssignAsync(DutyRole.Standby, 2, "other");
        await host.SendRawAsync(HttpMethod.Post, "v1/copy-tasks", CopyHost.Definition(), epoch: 2);
        await host.SendRawAsync(HttpMethod.Put, "v1/copy-tasks/task-1/source", new { url = host.Source.Url, token = host.Source.Token }, epoch: 2);
        await host.UntilAsync(t => t.PauseReason == CopyPauseReason.NoAuthority);
        host.Source.Requests.ShouldBeEmpty();

        await host.Target.AssignAsync(DutyRole.Recorder, 3, "back");
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
    }

    // Scenario 52.
    [Fact]
    public async Task OutsideTheWindow_ItWaits()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 3);
        await host.StartCopyAsync(CopyHost.Definition() with { Limits = new CopyLimits(null, new TimeOnly(12, 1), new TimeOnly(4, 0)) });
        await host.UntilAsync(t => t.PauseReason == CopyPauseReason.Window);
        await host.UntilAsync(_ => host.Target.Time.GetUtcNow().Second >= 50, step: TimeSpan.FromSeconds(1));
        host.Source.Requests.ShouldBeEmpty();
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        host.Target.Time.GetUtcNow().Minute.ShouldBeGreaterThanOrEqualTo(1);
    }

    [Fact]
    public async Task Reconcile_TellsWhatIsUnknown_AndTheManagersCancelWins()
    {
        await using var host = await CopyHost.StartAsync();
        await host.SendAsync<CopyTask>(HttpMethod.Post, "v1/copy-tasks", CopyHost.Definition());
        var now = host.Target.Time.GetUtcNow();
        var merged = await host.SendAsync<MergedCopyTasks>(HttpMethod.Post, "v1/copy-tasks:reconcile", new UpdateFailoverTaskStates(
            FakeSource.Identity, [new KnownCopyTask("task-1", CopyTaskState.Cancelled, now, false), new KnownCopyTask("task-9", CopyTaskState.Running, now, false)]));
        merged.Tasks.Single().State.ShouldBe(CopyTaskState.Cancelled);
        merged.UnknownTaskIds.ShouldBe(["task-9"]);
    }

    [Fact]
    public async Task TheCredential_StandsNowhereInClear()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.Token = "very-secret-read-token";
        host.Source.AddTrack("video-1", 1);
        await host.StartCopyAsync();
        await host.EndAsync();
        (await host.Target.Raw.GetStringAsync("v1/copy-tasks")).ShouldNotContain(host.Source.Token);
        foreach (var file in Directory.EnumerateFiles(host.Target.Folder, "recorder.db*"))
        {
            using var copy = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var reader = new StreamReader(copy, System.Text.Encoding.Latin1);
            (await reader.ReadToEndAsync()).ShouldNotContain(host.Source.Token);
        }
    }
}
