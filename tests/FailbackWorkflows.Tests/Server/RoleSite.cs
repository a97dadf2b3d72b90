using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Testing.Failback;
using FailbackWorkflows.Tests.Server.Studio;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>A site on which everything that the pages can offer is offered somewhere, and somebody of every role.</summary>
public sealed class RoleSite : IAsyncLifetime
{
    private static readonly DateTimeOffset Start = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly Dictionary<string, HttpClient> people = [];
    private readonly List<(string Template, string Path)> places = [];

    internal ServerHarness Server { get; } = new();

    /// <summary>Addresses to open.</summary>
    internal IEnumerable<string> Paths => places.Select(place => place.Path);

    /// <summary>Their routes.</summary>
    internal IEnumerable<string> Templates => places.Select(place => place.Template);

    public async Task InitializeAsync()
    {
        await Server.InitializeAsync();
        foreach (var role in Roles.All)
        {
            await Server.CreateUserAsync($"one-{role}", role);
            people[role] = await Server.SignInAsync($"one-{role}");
        }

        await AddServersAsync();
        await AddFailbacksAsync();
        await AddCopiesAsync();
        await AddWorkflowsAsync();
        await AddRunsAsync();
        await SendAsync("/system", "CreateKey", ("name", "door controller"), ("role", "viewer"), ("days", "30"));
        places.AddRange(
        [
            ("servers", "/servers"), ("servers/add", "/servers/add"), ("failover-log", "/failover-log"), ("failover-log", "/failover-log?view=finalized"), ("workflows", "/workflows"),
            ("history", "/history"), ("history/audit-log", "/history/audit-log"), ("system", "/system"), ("system/users", "/system/users"), ("account/password", "/account/password"),
            ("sign-out", "/sign-out"), ("denied", "/denied"),
        ]);
    }

    public async Task DisposeAsync()
    {
        foreach (var person in people.Values)
        {
            person.Dispose();
        }

        await Server.DisposeAsync();
    }

    internal Task<HttpResponseMessage> GetAsync(string role, string address) => people[role].GetAsync(address, HttpCompletionOption.ResponseHeadersRead);

    /// <summary>A page as the role gets it; null: it is not open to the role, and the answer says so.</summary>
    internal async Task<RolePage?> OpenAsync(string role, string path)
    {
        using var answer = await people[role].GetAsync(path);
        if (IsDenied(answer))
        {
            return null;
        }

        var html = await answer.Content.ReadAsStringAsync();
        (answer.IsSuccessStatusCode || path == "/denied").ShouldBeTrue($"{role} at {path}: {answer.StatusCode}");
        html.ShouldNotContain("Microsoft.", Case.Sensitive, $"{path} shows the name of a type instead of what it says");
        return new RolePage(html);
    }

    internal static bool IsDenied(HttpResponseMessage answer) => answer.Headers.Location?.ToString().Contains("/denied", StringComparison.Ordinal) == true;

    private async Task AddServersAsync()
    {
        await AddServerAsync("rec-spare");
        await AddServerAsync("rec-settings");
        await ApplyAsync(new GrantEpoch("rec-settings", "rec-settings", 1, "seed"), Settings("rec-settings", 1), Settings("rec-settings", 2));
        await AddServerAsync("rec-maintenance");
        await SendAsync("/servers/rec-maintenance", "MaintenanceOn", ("reason", "a new disk"), ("hours", "0"));

        await AddServerAsync("rec-doubt");
        await ApplyAsync(new GrantEpoch("rec-doubt", "rec-doubt", 1, "seed"));
        Server.App.Services.GetRequiredService<RecordersKnowMore>().Hear("rec-9", [new DutyState("rec-doubt", DutyRole.Recorder, DutyRole.Recorder, 5, "later", 3, true, false)], _ => null, TimeProvider.System.GetUtcNow());

        await AddServerAsync("rec-lost", s => s with { IsFailoverEnabled = true, IsAutomaticFailoverEnabled = true, Connection = ConnectionState.Disconnected });
        await ApplyAsync(
            new GrantEpoch("rec-lost", "rec-lost", 1, "seed"),
            new SaveAutomaticFailover(new AutomaticFailoverState { Identity = "rec-lost", Attempts = 1, Failures = 1, Episode = "rec-lost::0", LastEndedAt = Start, LastMessage = "Nobody is fit." }));
        (await Server.App.Services.GetRequiredService<FailoverAlerts>().ListAsync(CancellationToken.None)).ShouldHaveSingleItem();
        foreach (var server in (string[])["rec-spare", "rec-settings", "rec-maintenance"])
        {
            places.AddRange(
            [
                ("servers/{serverId}", $"/servers/{server}"), ("servers/{serverId}/edit", $"/servers/{server}/edit"), ("servers/{serverId}/failover", $"/servers/{server}/failover"),
                ("servers/{serverId}/replace-machine", $"/servers/{server}/replace-machine"), ("servers/{serverId}/settings", $"/servers/{server}/settings"),
            ]);
        }

        places.Add(("servers/{serverId}/settings", "/servers/rec-settings/settings?back=1"));
    }

    private async Task AddFailbacksAsync()
    {
        await AddEntryAsync(e => e);
        foreach (var offer in (string[])[RunOffers.WithoutFailoverServer, RunOffers.Adopt, RunOffers.ReplaceMachine])
        {
            await AddEntryAsync(e => e with { FailbackRunId = $"run-{offer}" });
            Server.Runs.Put(Report($"run-{offer}", "failback", "refused", WorkflowSubStatus.Finished) with { RefusedCheck = 3, Offer = offer });
        }

        await AddEntryAsync(e => e with { Failback = FailbackState.Running, FailbackRunId = "run-going-on" });
        Server.Runs.Put(Report("run-going-on", "failback", "running", WorkflowSubStatus.Executing));
        await AddEntryAsync(e => e with { Failback = FailbackState.Running, FailbackRunId = "run-stopped" });
        Server.Runs.Put(Report("run-stopped", "failback", "faulted", WorkflowSubStatus.Faulted) with { CanRedrive = true });
        await AddEntryAsync(e => e with { Failback = FailbackState.Failed, FailbackRunId = "run-failed" });
        Server.Runs.Put(Report("run-failed", "failback", "faulted", WorkflowSubStatus.Faulted) with { CanRedrive = true });
    }

    private async Task AddCopiesAsync()
    {
        await AddEntryAsync(FailedBack);
        foreach (var isPaused in (bool[])[false, true])
        {
            var copying = await AddEntryAsync(e => FailedBack(e) with { MaterialCopy = MaterialCopyState.Running });
            await ApplyAsync(new SaveCopyTask(TaskOf(copying) with { RunId = $"run-{copying.Id}", IsPauseWished = isPaused }));
            var disputed = await AddCopiedAsync(MaterialCopyState.Copied);
            await ApplyAsync(new SaveCopyTask(TaskOf(disputed, isDisputed: true) with { RunId = $"run-{disputed.Id}", IsPauseWished = isPaused }));
        }

        await AddCopiedAsync(MaterialCopyState.CopiedWithLosses);
        await AddCopiedAsync(MaterialCopyState.Copied);
    }

    /// <summary>With a report, and something disputed that is still held.</summary>
    private async Task<FailoverLogEntry> AddCopiedAsync(MaterialCopyState state)
    {
        var entry = await AddEntryAsync(e => FailedBack(e) with { MaterialCopy = state });
        var task = TaskOf(entry);
        var (some, nothing) = (new Amount(100, 1_000_000), new Amount(0, 0));
        var report = new CoverageReport(
            task.TaskId, entry.Id, entry.FailedServerId, "machine-2", "machine-1", new CopyPeriod(null, Start, Start.AddMinutes(20)), true, false, TimeSpan.Zero, TimeSpan.Zero, Start.AddHours(1),
            [new($"{entry.FailedServerId}~video-1", "video-1", "video", Start, Start.AddMinutes(20), some, some, nothing, nothing, nothing, some, some, true, [new(Start, Start.AddMinutes(20), CoverageState.Copied, null)])],
            [],
            [],
            null);
        report = report with { Sha256 = CoverageDigest.Compute(report) };
        await ApplyAsync(new SaveCopyTask(task with { CoverageSha256 = report.Sha256, LastRunId = "run" }), new KeepCoverage(new(report.TaskId, entry.Id, report.Sha256!, report, Start.AddHours(1))));
        if (state == MaterialCopyState.Copied)
        {
            await ApplyAsync(new SaveHoldRelease(new(entry.Id, entry.FailoverServerId, entry.FailedServerId, task.TaskId, HoldRelease.VerifiedCopy, "digest", Start.AddHours(1), ReleasedAt: Start.AddHours(1))));
        }

        return entry;
    }

    /// <summary>One workflow with a draft, versions of before and one that was deleted; one that is published as it is.</summary>
    private async Task AddWorkflowsAsync()
    {
        using var ines = await Server.WithRoleAsync(Roles.Integrator);
        var model = await ines.SaveAsync(Definitions.Model("Drawn", null, "one"), publish: true, "first");
        foreach (var line in (string[])["two", "three"])
        {
            model.SetText("line1", line);
            model = await ines.SaveAsync(model, publish: true, line);
        }

        model.SetText("line1", "four");
        model = await ines.SaveAsync(model);
        var drawn = (string)model["definitionId"]!;
        await Server.App.Services.GetRequiredService<IWorkflowLibrary>().ChangeAsync(
            drawn,
            async change =>
            {
                var first = change.Versions.Single(v => v.Version == 1);
                await change.PutAsync(first with { Json = await change.ReadJsonAsync(first.Id, CancellationToken.None), DeletedAt = Start, DeletedBy = "Ines" }, CancellationToken.None);
                return true;
            },
            CancellationToken.None);
        var plain = (string)(await ines.SaveAsync(Definitions.Model("Plain", null, "one"), publish: true, "first"))["definitionId"]!;
        places.AddRange([("workflows/{definitionId}", $"/workflows/{drawn}"), ("workflows/{definitionId}", $"/workflows/{plain}"), ("workflows/{definitionId}/diff", $"/workflows/{drawn}/diff?from=2&to=3")]);
    }

    private async Task AddRunsAsync()
    {
        await Server.AddRunAsync(WorkflowSubStatus.Finished);
        Server.Runs.Put(Report("run-failover", "failover", "faulted", WorkflowSubStatus.Faulted) with { CanRedrive = true });
        Server.Runs.Put(Report("run-rollback", StartSettingsRollback.DefinitionId, "running", WorkflowSubStatus.Executing));
        places.AddRange(((string[])["run-failover", "run-rollback", "run-going-on"]).Select(run => ("runs/{runId}", $"/runs/{run}")));
    }

    private async Task<FailoverLogEntry> AddEntryAsync(Func<FailoverLogEntry, FailoverLogEntry> change)
    {
        var entry = await Server.AddEntryAsync(change);
        await AddServerAsync(entry.FailedServerId, s => s with { State = entry.Failback == FailbackState.Done ? VmsServerState.Ok : VmsServerState.Broken });
        places.AddRange([("failover-log/{entryId}", $"/failover-log/{entry.Id}"), ("failover-log/{entryId}/coverage", $"/failover-log/{entry.Id}/coverage")]);
        return entry;
    }

    private Task AddServerAsync(string id, Func<VmsServer, VmsServer>? change = null)
    {
        var server = new VmsServer
        {
            Id = id,
            Name = $"Hall {id}",
            BaseUrl = new Uri("http://127.0.0.1:9/"),
            ProtectedCredential = Server.App.Services.GetRequiredService<ISecretProtector>().Protect("token"),
            State = VmsServerState.Ok,
            CreatedAt = Start,
        };
        return ApplyAsync(new SaveVmsServer(change?.Invoke(server) ?? server));
    }

    private async Task SendAsync(string page, string handler, params (string Name, string Value)[] fields)
    {
        using var answer = await ServerHarness.PostFormAsync(people[Roles.Administrator], page, $"{page}?handler={handler}", fields);
        ((int)answer.StatusCode).ShouldBeLessThan(400, handler);
    }

    private Task ApplyAsync(params IReadOnlyList<IDomainChange> changes) => Server.App.Services.GetRequiredService<IDomainWriter>().ApplyAsync(changes, CancellationToken.None);

    private static FailoverLogEntry FailedBack(FailoverLogEntry entry) => entry with { Failback = FailbackState.Done, FailbackStartedAt = Start.AddMinutes(20), FailbackEndedAt = Start.AddMinutes(21) };

    private static MaterialCopyTask TaskOf(FailoverLogEntry entry, bool isDisputed = false) => new()
    {
        TaskId = MaterialCopyTask.IdOf(entry.Id, entry.FailoverServerId, isDisputed),
        EntryId = entry.Id,
        IsDisputed = isDisputed,
        Identity = entry.FailedServerId,
        SourceServerId = entry.FailoverServerId,
        TargetServerId = entry.FailedServerId,
        CreatedAt = Start.AddMinutes(21),
    };

    private static SaveSettings Settings(string server, int revision)
    {
        var content = FakeSettings.Content(revision);
        return new(new CachedSettings(server, server, 1, revision, SettingsDigest.Compute(content), Start.AddMinutes(revision), content) { Provenance = SettingsProvenance.Unknown });
    }

    private static RunReport Report(string runId, string definitionId, string result, WorkflowSubStatus subStatus) => new(
        runId, definitionId, 1, subStatus, result, null, null, Actor.System, null, null, Start, null, [], []);
}
