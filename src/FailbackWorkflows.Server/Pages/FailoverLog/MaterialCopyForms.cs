using System.Globalization;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.FailoverLog;

/// <summary>What the forms of a material copy do, on whichever page they stand: ask the use case, then go to the entry's page.</summary>
public sealed class MaterialCopyForms(StartMaterialCopy start, ControlMaterialCopy control, AcceptLosses accept, CopyDisputedMaterial disputed)
{
    private const int MostReasonCharacters = 1000;
    private const decimal MegabyteBytes = 1_000_000;

    public async Task<IActionResult> StartAsync(PageModel page, string? entryId, string? requestId, string? reason, CancellationToken cancellationToken)
    {
        if (entryId is not { Length: > 0 and <= 128 } || requestId is not { Length: > 0 and <= 64 } || reason?.Length > MostReasonCharacters)
        {
            return new BadRequestResult();
        }

        var audit = page.HttpContext.Audit(entryId, Trim(reason));
        var result = await start.ExecuteAsync(new(entryId, requestId, CurrentActor.Of(page.HttpContext), Trim(reason)), cancellationToken);
        return Answer(page, audit, result);
    }

    public async Task<IActionResult> StartOldestAsync(PageModel page, string? serverId, string? requestId, CancellationToken cancellationToken)
    {
        if (serverId is not { Length: > 0 and <= 64 } || requestId is not { Length: > 0 and <= 64 })
        {
            return new BadRequestResult();
        }

        var audit = page.HttpContext.Audit(serverId);
        var result = await start.ExecuteOldestAsync(serverId, requestId, CurrentActor.Of(page.HttpContext), null, cancellationToken);
        return Answer(page, audit, result);
    }

    /// <summary>The same orders for the copy of disputed material; goes back to the coverage page, where it stands.</summary>
    public async Task<IActionResult> OrderDisputedAsync(PageModel page, string entryId, string? order, string? reason, CancellationToken cancellationToken) =>
        await OrderAsync(control.OfDisputed, page, entryId, order, reason, cancellationToken) is var answer && answer is RedirectResult ? new RedirectResult($"{EntryPage(entryId)}/coverage") : answer;

    /// <param name="order">pause, resume or cancel.</param>
    public Task<IActionResult> OrderAsync(PageModel page, string entryId, string? order, string? reason, CancellationToken cancellationToken) =>
        OrderAsync(control, page, entryId, order, reason, cancellationToken);

    private static async Task<IActionResult> OrderAsync(ControlMaterialCopy control, PageModel page, string entryId, string? order, string? reason, CancellationToken cancellationToken)
    {
        if (reason?.Length > MostReasonCharacters)
        {
            return new BadRequestResult();
        }

        var actor = CurrentActor.Of(page.HttpContext);
        var audit = page.HttpContext.Audit(entryId, Trim(reason));
        audit.Which = order is "pause" or "resume" or "cancel" ? $"order={order}" : null;
        return order switch
        {
            "pause" => Answer(page, audit, entryId, await control.PauseAsync(entryId, actor, cancellationToken), Texts.Of("The pause was asked for.")),
            "resume" => Answer(page, audit, entryId, await control.ResumeAsync(entryId, actor, cancellationToken), Texts.Of("The copy is told to go on.")),
            "cancel" => Answer(page, audit, entryId, await control.CancelAsync(entryId, actor, Trim(reason), cancellationToken), Texts.Of("The cancellation was asked for.")),
            _ => new BadRequestResult(),
        };
    }

    /// <param name="megabytesPerSecond">Empty: no limit.</param>
    public Task<IActionResult> LimitAsync(PageModel page, string entryId, string? megabytesPerSecond, string? windowFrom, string? windowTo, CancellationToken cancellationToken) =>
        LimitAsync(control, page, entryId, megabytesPerSecond, windowFrom, windowTo, cancellationToken);

    /// <summary>The same for the copy of disputed material; goes back to the coverage page.</summary>
    public async Task<IActionResult> LimitDisputedAsync(PageModel page, string entryId, string? megabytesPerSecond, string? windowFrom, string? windowTo, CancellationToken cancellationToken) =>
        await LimitAsync(control.OfDisputed, page, entryId, megabytesPerSecond, windowFrom, windowTo, cancellationToken) is var answer && answer is RedirectResult ? new RedirectResult($"{EntryPage(entryId)}/coverage") : answer;

    private static async Task<IActionResult> LimitAsync(
        ControlMaterialCopy control, PageModel page, string entryId, string? megabytesPerSecond, string? windowFrom, string? windowTo, CancellationToken cancellationToken)
    {
        var audit = page.HttpContext.Audit(entryId);
        long? bytes = null;
        if (!string.IsNullOrWhiteSpace(megabytesPerSecond))
        {
            if (!decimal.TryParse(megabytesPerSecond, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var megabytes) || megabytes is <= 0 or > 1_000_000)
            {
                return Refuse(page, audit, entryId, Texts.Of("Nothing was changed: the rate must be above 0 and at most 1,000,000 MB/s. Leave it empty for no limit."));
            }

            bytes = (long)(megabytes * MegabyteBytes);
        }

        if (!TryTime(windowFrom, out var from) || !TryTime(windowTo, out var to))
        {
            return Refuse(page, audit, entryId, Texts.Of("Nothing was changed: write times as hours and minutes, as in 22:30."));
        }

        return Answer(page, audit, entryId, await control.LimitAsync(entryId, new CopyLimits(bytes, from, to), CurrentActor.Of(page.HttpContext), cancellationToken), Texts.Of("The limits were changed."));
    }

    public async Task<IActionResult> AcceptAsync(PageModel page, string entryId, string? reason, CancellationToken cancellationToken)
    {
        if (Trim(reason) is not { Length: <= MostReasonCharacters } why)
        {
            page.HttpContext.Audit(entryId).Result = "no reason";
            page.TempData["Warning"] = Texts.Of("Nothing was changed. Say why the losses are accepted; the reason is kept with the failover log entry.");
            return new RedirectResult($"{EntryPage(entryId)}/coverage");
        }

        var audit = page.HttpContext.Audit(entryId, why);
        return Answer(page, audit, entryId, await accept.ExecuteAsync(entryId, CurrentActor.Of(page.HttpContext), why, cancellationToken), Texts.Of("The losses were accepted."));
    }

    public async Task<IActionResult> CopyDisputedAsync(PageModel page, string entryId, string? requestId, string? reason, CancellationToken cancellationToken)
    {
        if (requestId is not { Length: > 0 and <= 64 })
        {
            return new BadRequestResult();
        }

        var coverage = $"{EntryPage(entryId)}/coverage";
        if (Trim(reason) is not { Length: <= MostReasonCharacters } why)
        {
            page.HttpContext.Audit(entryId).Result = "no reason";
            page.TempData["Warning"] = Texts.Of("Nothing was started. Say why the disputed material is needed; the reason is kept.");
            return new RedirectResult(coverage);
        }

        var audit = page.HttpContext.Audit(entryId, why);
        var answer = Answer(page, audit, await disputed.ExecuteAsync(new(entryId, requestId, CurrentActor.Of(page.HttpContext), why), cancellationToken));
        return answer is RedirectResult ? new RedirectResult(coverage) : answer;
    }

    public async Task<IActionResult> ReleaseDisputedAsync(PageModel page, string entryId, string? reason, CancellationToken cancellationToken)
    {
        var coverage = $"{EntryPage(entryId)}/coverage";
        if (Trim(reason) is not { Length: <= MostReasonCharacters } why)
        {
            page.HttpContext.Audit(entryId).Result = "no reason";
            page.TempData["Warning"] = Texts.Of("Nothing was changed. Say why the disputed material is given up; the reason is kept with the hold.");
            return new RedirectResult(coverage);
        }

        var audit = page.HttpContext.Audit(entryId, why);
        var answer = Answer(page, audit, entryId, await accept.ReleaseDisputedAsync(entryId, CurrentActor.Of(page.HttpContext), why, cancellationToken), Texts.Of("The disputed material was given up."));
        return answer is RedirectResult ? new RedirectResult(coverage) : answer;
    }

    private static IActionResult Answer(PageModel page, AuditDetails audit, StartRunResult result)
    {
        switch (result.Outcome)
        {
            case StartRunOutcome.Started or StartRunOutcome.AlreadyStarted:
                break;

            case StartRunOutcome.Unknown:
                audit.Result = "unknown";
                return new NotFoundResult();

            case StartRunOutcome.Busy:
                audit.Result = "run in the way";
                page.TempData["Warning"] = Texts.Of("Nothing was started: {0}", result.Message);
                break;

            default:
                audit.Result = "refused";
                page.TempData["Warning"] = result.Message ?? Texts.Of("The material copy was not started.");
                break;
        }

        return new RedirectResult(result.EntryId is { } entryId ? EntryPage(entryId) : "/failover-log");
    }

    private static IActionResult Answer(PageModel page, AuditDetails audit, string entryId, ControlResult result, string done)
    {
        if (result.Outcome == ControlOutcome.Unknown)
        {
            audit.Result = "unknown";
            return new NotFoundResult();
        }

        if (result.Outcome == ControlOutcome.Accepted)
        {
            page.TempData["Notice"] = done;
        }
        else
        {
            audit.Result = "refused";
            page.TempData["Warning"] = result.Message;
        }

        return new RedirectResult(EntryPage(entryId));
    }

    private static RedirectResult Refuse(PageModel page, AuditDetails audit, string entryId, string sentence)
    {
        audit.Result = "refused";
        page.TempData["Warning"] = sentence;
        return new(EntryPage(entryId));
    }

    private static bool TryTime(string? text, out TimeOnly? time)
    {
        time = null;
        if (string.IsNullOrWhiteSpace(text))
        {
            return true;
        }

        if (!TimeOnly.TryParse(text, CultureInfo.InvariantCulture, out var parsed))
        {
            return false;
        }

        time = parsed;
        return true;
    }

    private static string? Trim(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Trim();

    private static string EntryPage(string entryId) => $"/failover-log/{Uri.EscapeDataString(entryId)}";
}
