using System.Globalization;
using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Maintenance;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Api;
using FailbackWorkflows.Server.Api.Readiness;
using FailbackWorkflows.Server.Api.Servers;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Servers;

/// <summary>What a server's last dry run came to.</summary>
/// <param name="Readiness">Null: there was none.</param>
public sealed record ReadinessCard(string ServerId, ReadinessResponse? Readiness);

/// <summary>One recorder: how it is, how its connection was, its general settings and its maintenance mode.</summary>
[Authorize(Permissions.Read)]
public sealed class DetailsModel(
    IVmsServers servers,
    IDuties duties,
    IConnectivityHistory history,
    IMaintenanceModes modes,
    PollRecorders poll,
    PollOptions options,
    ChangeGeneralSettings change,
    AutomaticFailoverCheck automatic,
    FailedPolls failed,
    MaintenanceForms forms,
    ReadinessViews views,
    ReadinessForms readinessForms,
    IAuthorizationService authorization,
    TimeProvider time) : PageModel
{
    private const int PerPage = 20;

    public VmsServer Server { get; private set; } = null!;

    public GeneralSettings Settings { get; private set; } = null!;

    public FailoverSettings Failover { get; private set; } = null!;

    /// <summary>Groups there are, to choose from.</summary>
    public IReadOnlyList<string> Groups { get; private set; } = [];

    /// <summary>How its automatic failover stands; null while it is not enabled and never was tried.</summary>
    public AutomaticFailoverDecision? Automatic { get; private set; }

    public int FailedPolls => failed.Of(Server.Id);

    /// <summary>In MB, as the form has it.</summary>
    public string RoomMegabytes => (Failover.RoomPerDutyBytes / 1e6).ToString("0.###", CultureInfo.InvariantCulture);

    public IReadOnlyList<HeldDutyView> ActsAs { get; private set; } = [];

    public IReadOnlyList<ConnectivityTransition> History { get; private set; } = [];

    public long? Before { get; private set; }

    public long? NextBefore { get; private set; }

    public int Losses { get; private set; }

    /// <summary>The mode that holds for this server now, the system's first.</summary>
    public MaintenanceMode? Maintenance { get; private set; }

    public MaintenanceForm MaintenanceForm { get; private set; } = null!;

    public ReadinessCard Readiness { get; private set; } = null!;

    /// <summary>What is wrong with the settings that were sent.</summary>
    public IReadOnlyList<string> Messages { get; private set; } = [];

    /// <summary>The same of the failover settings.</summary>
    public IReadOnlyList<string> FailoverMessages { get; private set; } = [];

    public DateTimeOffset? SeenAt => poll.SeenAt(Server);

    public string SiteInterval => options.Interval.TotalSeconds.ToString("0.##", CultureInfo.InvariantCulture);

    public string? PollSeconds => Settings.PollInterval?.TotalSeconds.ToString("0.##", CultureInfo.InvariantCulture);

    public string StabilityMinutes => Settings.StabilityDelay.TotalMinutes.ToString("0.##", CultureInfo.InvariantCulture);

    /// <summary>Its clock against ours, in words.</summary>
    public string Clock => Server.ClockOffset switch
    {
        null => "not measured yet",
        { } offset when offset.Duration() <= PollRecorder.ClockTolerance => "agrees with ours",
        { } offset => $"{Wording.Duration(offset.Duration())} {(offset > TimeSpan.Zero ? "ahead of" : "behind")} ours",
    };

    public async Task<IActionResult> OnGetAsync(string serverId, long? before, CancellationToken cancellationToken)
    {
        Before = before;
        return await LoadAsync(serverId, cancellationToken) ? Page() : NotFound();
    }

    public async Task<IActionResult> OnPostSettingsAsync(
        string serverId, bool failover, bool automaticFailback, string? pollInterval, string? stabilityDelay, CancellationToken cancellationToken)
    {
        if (!(await authorization.AuthorizeAsync(User, Permissions.Administer)).Succeeded)
        {
            return Forbid();
        }

        var audit = HttpContext.Audit(serverId);
        if (!await LoadAsync(serverId, cancellationToken))
        {
            audit.Result = "unknown";
            return NotFound();
        }

        var errors = new FieldErrors();
        var interval = Number(pollInterval, "Poll interval", errors);
        var delay = Number(stabilityDelay, "Stability delay", errors);
        var request = new GeneralSettingsRequest(failover, automaticFailback, interval is null ? null : TimeSpan.FromSeconds(interval.Value), TimeSpan.FromMinutes(delay ?? 0));
        if (errors.Any || request.Check(errors) is not { } settings)
        {
            audit.Result = "refused";
            Messages = errors.Sentences;
            Settings = new(failover, automaticFailback, request.PollInterval, request.StabilityDelay);
            return Page();
        }

        await change.ExecuteAsync(serverId, settings, cancellationToken);
        TempData["Notice"] = "The settings were saved.";
        return Redirect($"/servers/{Uri.EscapeDataString(serverId)}");
    }

    public Task<IActionResult> OnPostCheckReadinessAsync(string serverId, CancellationToken cancellationToken) => readinessForms.CheckAsync(this, serverId, cancellationToken);

    public async Task<IActionResult> OnPostFailoverAsync(
        string serverId, string? group, bool automaticFailover, string? afterPolls, string? mostDuties, string? room, CancellationToken cancellationToken)
    {
        if (!(await authorization.AuthorizeAsync(User, Permissions.Administer)).Succeeded)
        {
            return Forbid();
        }

        var audit = HttpContext.Audit(serverId);
        if (!await LoadAsync(serverId, cancellationToken))
        {
            audit.Result = "unknown";
            return NotFound();
        }

        var errors = new FieldErrors();
        var request = new FailoverSettingsRequest(
            string.IsNullOrWhiteSpace(group) ? null : group.Trim(),
            automaticFailover,
            (int)(Number(afterPolls, "Failed polls", errors) ?? FailoverSettings.DefaultAfterPolls),
            (int)(Number(mostDuties, "Duties of others", errors) ?? FailoverSettings.DefaultMostDuties),
            (long)((Number(room, "Room per duty", errors) ?? FailoverSettings.DefaultRoomPerDutyBytes / 1e6) * 1e6));
        if (errors.Any || request.Check(errors) is not { } settings)
        {
            audit.Result = "refused";
            FailoverMessages = errors.Sentences;
            Failover = new(request.Group, request.IsAutomatic, request.AfterPolls, request.MostDuties, request.RoomPerDutyBytes);
            return Page();
        }

        await change.ChangeFailoverAsync(serverId, settings, cancellationToken);
        TempData["Notice"] = "The failover settings were saved.";
        return Redirect($"/servers/{Uri.EscapeDataString(serverId)}");
    }

    public Task<IActionResult> OnPostMaintenanceOnAsync(string serverId, string? reason, int hours, CancellationToken cancellationToken) =>
        forms.TurnOnAsync(this, serverId, reason, hours, cancellationToken);

    public Task<IActionResult> OnPostMaintenanceOffAsync(string serverId, CancellationToken cancellationToken) => forms.TurnOffAsync(this, serverId, cancellationToken);

    private static double? Number(string? text, string field, FieldErrors errors)
    {
        const double Most = 1_000_000;
        if (string.IsNullOrWhiteSpace(text))
        {
            return null;
        }

        if (double.TryParse(text, NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && Math.Abs(number) <= Most)
        {
            return number;
        }

        errors.Add(field, "It is not a number.");
        return null;
    }

    private async Task<bool> LoadAsync(string serverId, CancellationToken cancellationToken)
    {
        if (await servers.FindAsync(serverId, cancellationToken) is not { } server)
        {
            return false;
        }

        var now = time.GetUtcNow();
        Server = server;
        Settings = GeneralSettings.Of(server);
        Failover = FailoverSettings.Of(server);
        var all = await servers.ListAsync(cancellationToken);
        var names = all.ToDictionary(other => other.Id, other => other.Name);
        Groups = [.. all.Select(other => other.FailoverGroup).OfType<string>().Distinct().Order(StringComparer.Ordinal)];
        var decision = await automatic.DecideAsync(server.Id, null, cancellationToken);
        Automatic = server.IsAutomaticFailoverEnabled || decision.State is not null ? decision : null;
        ActsAs =
        [
            .. (await duties.ListAsync(cancellationToken))
                .Where(duty => duty.HolderServerId == server.Id)
                .Select(duty => new HeldDutyView(duty.Identity == server.Id ? "itself" : names.GetValueOrDefault(duty.Identity, duty.Identity), duty.Epoch)),
        ];
        History = await history.ListAsync(server.Id, Before, PerPage, cancellationToken);
        NextBefore = History.Count == PerPage ? History[^1].Sequence : null;
        Losses = await history.CountLossesAsync(server.Id, now - PollRecorder.FlapWindow, cancellationToken);
        Maintenance = await modes.FindActiveAsync(server.Id, now, cancellationToken);
        var own = await modes.FindAsync(MaintenanceMode.ScopeOf(server.Id), cancellationToken);
        Readiness = new(server.Id, await views.FindAsync(server, cancellationToken));
        MaintenanceForm = new(server.Id, own?.IsActive(now) == true ? own : null);
        return true;
    }
}
