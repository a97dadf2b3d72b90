using System.Globalization;
using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Maintenance;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Api;
using FailbackWorkflows.Server.Api.Readiness;
using FailbackWorkflows.Server.Api.Servers;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
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
    IFailoverLog log,
    IConnectivityHistory history,
    IMaintenanceModes modes,
    PollRecorders poll,
    PollOptions options,
    ChangeGeneralSettings change,
    ChangeCredential changeCredential,
    AutomaticFailoverCheck automatic,
    MaintenanceForms forms,
    ReadinessViews views,
    ReadinessForms readinessForms,
    IAuthorizationService authorization,
    TimeProvider time) : PageModel
{
    private const int PerPage = 20;

    public VmsServer Server { get; private set; } = null!;

    /// <summary>The failover that its failback would end, with the name of who has its duty; null: there is none.</summary>
    public (FailoverLogEntry Entry, string HolderName)? ToFailBack { get; private set; }

    public GeneralSettings Settings { get; private set; } = null!;

    public FailoverSettings Failover { get; private set; } = null!;

    /// <summary>Groups there are, to choose from.</summary>
    public IReadOnlyList<string> Groups { get; private set; } = [];

    /// <summary>How its automatic failover stands; null while it is not enabled and never was tried.</summary>
    public AutomaticFailoverDecision? Automatic { get; private set; }

    /// <summary>Null: another management server is on watch and counts them.</summary>
    public int? FailedPolls => poll.FailedPollsOf(Server.Id);

    /// <summary>It is seen by another management server, which tells only that it was seen since then.</summary>
    public bool IsSeenByAnother => Server.Answers && FailedPolls is null;

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

    /// <summary>Why the credential that was sent was not taken.</summary>
    public IReadOnlyList<string> CredentialMessages { get; private set; } = [];

    /// <summary>Why it cannot be asked at all; null: it can.</summary>
    public string? CredentialProblem => poll.CredentialProblemOf(Server.Id);

    public DateTimeOffset? SeenAt => poll.SeenAt(Server);

    public string SiteInterval => options.Interval.TotalSeconds.ToString("0.##", CultureInfo.InvariantCulture);

    public string? PollSeconds => Settings.PollInterval?.TotalSeconds.ToString("0.##", CultureInfo.InvariantCulture);

    public string StabilityMinutes => Settings.StabilityDelay.TotalMinutes.ToString("0.##", CultureInfo.InvariantCulture);

    /// <summary>Its clock against ours, in words.</summary>
    public string Clock => Server.ClockOffset switch
    {
        null => Texts.Of("not measured yet"),
        { } offset when offset.Duration() <= PollRecorder.ClockTolerance => Texts.Of("agrees with ours"),
        { } offset => offset > TimeSpan.Zero ? Texts.Of("{0} ahead of ours", Wording.Duration(offset.Duration())) : Texts.Of("{0} behind ours", Wording.Duration(offset.Duration())),
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
        var interval = Number(pollInterval, Texts.Of("Poll interval"), errors);
        var delay = Number(stabilityDelay, Texts.Of("Stability delay"), errors);
        var request = new GeneralSettingsRequest(failover, automaticFailback, interval is null ? null : TimeSpan.FromSeconds(interval.Value), TimeSpan.FromMinutes(delay ?? 0));
        if (errors.Any || request.Check(errors) is not { } settings)
        {
            audit.Result = "refused";
            Messages = errors.Sentences;
            Settings = new(failover, automaticFailback, request.PollInterval, request.StabilityDelay);
            return Page();
        }

        await change.ExecuteAsync(serverId, settings, cancellationToken);
        TempData["Notice"] = Texts.Of("The settings were saved.");
        return Redirect($"/servers/{Uri.EscapeDataString(serverId)}");
    }

    public async Task<IActionResult> OnPostCredentialAsync(string serverId, string? credential, CancellationToken cancellationToken)
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
        errors.Required(Texts.Of("Credential"), credential, 4096);
        if (!errors.Any && await changeCredential.ExecuteAsync(serverId, credential!, cancellationToken) is { Message: { } message })
        {
            CredentialMessages = [message];
        }

        if (errors.Any || CredentialMessages.Count > 0)
        {
            audit.Result = "refused";
            CredentialMessages = [.. errors.Sentences, .. CredentialMessages];
            return Page();
        }

        TempData["Notice"] = Texts.Of("The credential was stored. It is used from the next poll on.");
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
            (int)(Number(afterPolls, Texts.Of("Failed polls"), errors) ?? FailoverSettings.DefaultAfterPolls),
            (int)(Number(mostDuties, Texts.Of("Duties of others"), errors) ?? FailoverSettings.DefaultMostDuties),
            (long)((Number(room, Texts.Of("Room per duty"), errors) ?? FailoverSettings.DefaultRoomPerDutyBytes / 1e6) * 1e6));
        if (errors.Any || request.Check(errors) is not { } settings)
        {
            audit.Result = "refused";
            FailoverMessages = errors.Sentences;
            Failover = new(request.Group, request.IsAutomatic, request.AfterPolls, request.MostDuties, request.RoomPerDutyBytes);
            return Page();
        }

        await change.ChangeFailoverAsync(serverId, settings, cancellationToken);
        TempData["Notice"] = Texts.Of("The failover settings were saved.");
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

        errors.Add(field, Texts.Of("It is not a number."));
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
        if ((await log.ListOpenAsync(server.Id, cancellationToken)).FirstOrDefault(entry => entry.Failover == FailoverState.Done) is { } entry)
        {
            ToFailBack = (entry, (await servers.FindAsync(entry.FailoverServerId, cancellationToken))?.Name ?? entry.FailoverServerId);
        }

        Groups = await servers.ListGroupsAsync(cancellationToken);
        var held = await duties.ListHeldAsync([server.Id], cancellationToken);
        var names = await servers.ListNamesAsync([.. held.Select(duty => duty.Identity)], cancellationToken);
        var decision = await automatic.DecideAsync(server.Id, null, cancellationToken);
        Automatic = server.IsAutomaticFailoverEnabled || decision.State is not null ? decision : null;
        ActsAs =
        [
            .. held.Select(duty => new HeldDutyView(duty.Identity == server.Id ? Texts.Of("itself") : names.GetValueOrDefault(duty.Identity, duty.Identity), duty.Epoch)),
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
