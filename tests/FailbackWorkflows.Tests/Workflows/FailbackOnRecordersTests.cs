using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.ReferenceRecorder.Recording;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Testing.Failback;
using FailbackWorkflows.Tests.ReferenceRecorder;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>Failover and failback over HTTP against reference recorders in this process, all on one clock.</summary>
public sealed class FailbackOnRecordersTests
{
    private const string Failed = RecorderHost.Identity;
    private const string Failover = "vms-2";

    [Fact]
    public async Task FailoverAndFailback_OverHttp_BringTheDutyHome()
    {
        await using var site = await Site.StartAsync();
        var entry = await site.FailOverAsync();
        await site.RestartFailedServerAsync();

        var run = await site.World.FailBackAsync("back", entry.Id);

        (run.Result, run.Message).ShouldBe(("done", null));
        var (home, away) = await site.DutiesAsync();
        (home.Role, home.Recording, home.Epoch).ShouldBe((DutyRole.Recorder, true, 3));
        (away.Role, away.Recording, away.Epoch).ShouldBe((DutyRole.FailoverServer, false, 3));
        (await site.SettingsAsync(site.FailedHost)).ShouldBe(await site.SettingsAsync(site.FailoverHost));
        (await site.World.EntryAsync(entry.Id)).LastTimes!.Count.ShouldBe(3);
        (await site.World.ServerAsync(Failed)).State.ShouldBe(VmsServerState.Ok);

        var facts = run.Journal.OfType<ActivityEvent>().Where(e => e.IsFact).ToList();
        var assignments = facts.SelectMany(f => f.Calls ?? []).Where(c => c.Operation == "assign duty").ToList();
        assignments.ShouldNotBeEmpty();
        assignments.ShouldAllBe(c => c.Status == 200 && c.RequestSha256!.Length == 64 && c.ResponseSha256!.Length == 64 && c.Request!.StartsWith("PUT "));
        assignments.Select(c => c.Target).Distinct().Order().ShouldBe(new[] { Failed, Failover }.Order());
        foreach (var fact in facts.Where(f => f.Calls is not null))
        {
            // Each recorder that answered tells its time with it.
            (fact.Clocks ?? []).Select(c => c.Of).Order().ShouldBe(fact.Calls!.Where(c => c.Status is not null).Select(c => c.Target).Distinct().Order(), $"{fact.NodeId}");
            fact.Clocks!.ShouldAllBe(c => c.UncertaintyMilliseconds >= 0);
        }

        facts.ShouldAllBe(f => f.WrittenBy == "node-1");
    }

    [Fact]
    public async Task Failback_ChannelsStayDark_IsUndoneOverHttp()
    {
        await using var site = await Site.StartAsync();
        var entry = await site.FailOverAsync();
        await site.RestartFailedServerAsync();
        await site.DarkenAsync("video-1");

        var run = await site.World.FailBackAsync("back", entry.Id);

        run.Result.ShouldBe("undone");
        run.Message!.ShouldContain("video-1");
        var (home, away) = await site.DutiesAsync();
        (home.Role, home.Recording).ShouldBe((DutyRole.Standby, false));
        (away.Role, away.Recording).ShouldBe((DutyRole.Recorder, true));
        home.Epoch.ShouldBe(away.Epoch);
        (await site.FailedHost.SettingsAsync()).Content.Channels.GetRawText().ShouldNotContain("dark");
        (await site.World.EntryAsync(entry.Id)).Failback.ShouldBe(FailbackState.Failed);
    }

    /// <summary>Two recorders and a management server.</summary>
    private sealed class Site : IAsyncDisposable
    {
        private Site(FailbackWorld world, RecorderHost failed, RecorderHost failover)
        {
            World = world;
            FailedHost = failed;
            FailoverHost = failover;
            world.Store.Waiting = _ => TickAsync();
        }

        public FailbackWorld World { get; }

        public RecorderHost FailedHost { get; private set; }

        public RecorderHost FailoverHost { get; }

        public bool TicksFailedServer { get; set; } = true;

        public static async Task<Site> StartAsync()
        {
            var time = new FakeTimeProvider(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
            var failed = await RecorderHost.StartSeededAsync(time);
            var failover = await RecorderHost.StartAsync(time);
            var site = new Site(await FailbackWorld.CreateEmptyAsync(client: failover.Client, time: time), failed, failover);
            await failed.PassAsync(TimeSpan.FromSeconds(3));
            await site.RegisterAsync(Failed, failed);
            await site.RegisterAsync(Failover, failover);
            return site;
        }

        public async Task<FailoverLogEntry> FailOverAsync()
        {
            TicksFailedServer = false;
            await FailedHost.App.StopAsync();
            var started = await World.StartFailoverAsync("over", Failed, Failover);
            var run = await World.EndAsync(started.RunId ?? throw new InvalidOperationException(started.ToString()));
            (run.Result, run.Message).ShouldBe(("done", null));
            await FailoverHost.PassAsync(TimeSpan.FromSeconds(3));
            return await World.EntryAsync(started.EntryId!);
        }

        public async Task RestartFailedServerAsync(params string[] more)
        {
            FailedHost = await FailedHost.RestartAsync(more);
            TicksFailedServer = true;
            await World.ApplyAsync(new SaveVmsServer((await World.ServerAsync(Failed)) with { BaseUrl = FailedHost.Endpoint.BaseUrl }));
            await World.Node.Get<PollRecorders>().ExecuteAsync(default);
        }

        /// <summary>At the failover server, while it has the duty, a channel is configured that gives no frames.</summary>
        public async Task DarkenAsync(string channelId)
        {
            var content = (await FailoverHost.SettingsAsync()).Content;
            var channels = JsonNode.Parse(content.Channels.GetRawText())!.AsArray();
            channels.Single(c => (string?)c!["id"] == channelId)!["generator"] = "dark";
            var body = new { content = content with { Channels = JsonSerializer.SerializeToElement(channels) } };
            using var answer = await FailoverHost.Raw.PutAsJsonAsync($"v1/duties/{Failed}/config", body, RecorderJson.Options);
            answer.EnsureSuccessStatusCode();
        }

        public async Task<(DutyState Home, DutyState Away)> DutiesAsync() => (await FailedHost.DutyAsync(), await FailoverHost.DutyAsync());

        public async Task<string> SettingsAsync(RecorderHost host) => (await host.SettingsAsync()).Sha256;

        public async ValueTask DisposeAsync()
        {
            await World.DisposeAsync();
            await FailedHost.DisposeAsync();
            await FailoverHost.DisposeAsync();
        }

        private async Task RegisterAsync(string id, RecorderHost host)
        {
            var result = await World.Node.Get<RegisterVmsServer>().ExecuteAsync(new(id, id, host.Endpoint.BaseUrl, RecorderHost.Token, null, true, false), default);
            result.Message.ShouldBeNull();
        }

        private async Task TickAsync()
        {
            if (TicksFailedServer)
            {
                await FailedHost.App.Services.GetRequiredService<RecordingEngine>().TickAsync(default);
            }

            await FailoverHost.App.Services.GetRequiredService<RecordingEngine>().TickAsync(default);
        }
    }
}
