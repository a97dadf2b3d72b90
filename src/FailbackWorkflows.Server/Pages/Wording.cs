using System.Globalization;
using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.Clocks;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.Readiness;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Server.Api.Readiness;

namespace FailbackWorkflows.Server.Pages;

/// <summary>A state as pages show it: a word and the colour that goes with it. The word alone says everything; the colour only helps the eye.</summary>
/// <param name="Tone">One of <c>ok</c>, <c>busy</c>, <c>warn</c>, <c>bad</c>, <c>quiet</c>.</param>
public sealed record Badge(string Text, string Tone);

/// <summary>States and lengths in the words of the pages.</summary>
internal static class Wording
{
    public static Badge Of(FailoverState state) => state switch
    {
        FailoverState.Running => new("Running", "busy"),
        FailoverState.Done => new("Done", "ok"),
        _ => new("Failed", "bad"),
    };

    public static Badge Of(FailbackState state) => state switch
    {
        FailbackState.NotStarted => new("Not started", "quiet"),
        FailbackState.Running => new("Running", "busy"),
        FailbackState.Done => new("Done", "ok"),
        _ => new("Failed", "bad"),
    };

    /// <summary>In place of the state of an entry that needs somebody at once.</summary>
    public static Badge Of(EntryAlert alert) => new(alert.Kind == EntryAlerts.NobodyRecords ? "Nobody records" : "Alarm", "bad");

    /// <summary>Of an entry of which something could not be told yet.</summary>
    public static Badge DebtUnreachable { get; } = new("Debt unreachable", "warn");

    public static string Of(ObligationKind kind) => kind switch
    {
        ObligationKind.Grant => "it has the duty",
        ObligationKind.Stop => "stop recording",
        ObligationKind.LastTimes => "report the last times",
        ObligationKind.HoldEnd => "end the retention hold",
        ObligationKind.StandBy => "stand by",
        ObligationKind.Unfreeze => "lift the freeze of the settings",
        _ => "go back to the former settings",
    };

    public static Badge Of(MaterialCopyState state) => state switch
    {
        MaterialCopyState.NotStarted => new("Not started", "quiet"),
        MaterialCopyState.Queued => new("Queued", "busy"),
        MaterialCopyState.Running => new("Running", "busy"),
        MaterialCopyState.Paused => new("Paused", "warn"),
        MaterialCopyState.Copied => new("Copied", "ok"),
        MaterialCopyState.CopiedWithLosses => new("Copied with losses", "warn"),
        MaterialCopyState.NothingToCopy => new("Nothing to copy", "ok"),
        MaterialCopyState.LossesAccepted => new("Losses accepted", "quiet"),
        MaterialCopyState.Cancelled => new("Cancelled", "warn"),
        _ => new("Failed", "bad"),
    };

    public static string Of(RecordKind kind) => kind == RecordKind.Anpr ? "ANPR" : kind.ToString();

    public static Badge Of(VmsServerState state) => state == VmsServerState.Ok ? new("OK", "ok") : new("Broken", "bad");

    public static Badge Of(ConnectionState state) => state switch
    {
        ConnectionState.Connected => new("Connected", "ok"),
        ConnectionState.Connecting => new("Connecting", "busy"),
        ConnectionState.Unstable => new("Unstable", "warn"),
        _ => new("Disconnected", "bad"),
    };

    /// <summary>What counts of a dry run: an expired one says nothing any more.</summary>
    public static Badge Of(ReadinessResponse readiness) => readiness switch
    {
        { Outcome: ReadinessOutcome.NotEnabled } => new("Failover off", "quiet"),
        { IsExpired: true } => new("Expired", "warn"),
        { Outcome: ReadinessOutcome.Ready } => new("Ready", "ok"),
        { Outcome: ReadinessOutcome.ReadyWithWarnings } => new("Ready, with warnings", "warn"),
        _ => new("Not ready", "bad"),
    };

    public static Badge Of(ReadinessCheckOutcome outcome) => outcome switch
    {
        ReadinessCheckOutcome.Passed => new("Passed", "ok"),
        ReadinessCheckOutcome.Warning => new("Warning", "warn"),
        ReadinessCheckOutcome.Refused => new("Refused", "bad"),
        _ => new("Not checked", "quiet"),
    };

    /// <summary>E.g. <c>settings changed since; the licence changed since</c>.</summary>
    public static string Because(IEnumerable<ReadinessChange> changes) => string.Join("; ", changes.Select(change => change switch
    {
        ReadinessChange.Definition => "the workflow was published anew since",
        ReadinessChange.License => "the licence changed since",
        ReadinessChange.Settings => "settings changed since",
        ReadinessChange.Topology => "servers or the failover log entry changed since",
        _ => "the site's policy or maintenance mode changed since",
    }));

    public static Badge Of(SettingsAge age) => age switch
    {
        { Problem: not null } => new("Cannot be read", "bad"),
        { IsStale: true } => new("Stale", "warn"),
        _ => new("Up to date", "ok"),
    };

    /// <summary>E.g. <c>enabled, group north; fails back by itself</c>.</summary>
    public static string FailoverSettings(VmsServer server) => !server.IsFailoverEnabled ? "disabled"
        : $"enabled{(server.FailoverGroup is null ? "" : $", group {server.FailoverGroup}")}{(server.IsAutomaticFailoverEnabled ? $"; taken over by itself after {server.FailoverAfterPolls} failed polls" : "")}{(server.IsAutomaticFailbackEnabled ? "; fails back by itself" : "")}";

    public static Badge Of(AutomaticVerdict verdict) => verdict switch
    {
        AutomaticVerdict.Yes => new("Begins", "busy"),
        AutomaticVerdict.Waits => new("Waits", "busy"),
        AutomaticVerdict.Refused => new("Refused", "warn"),
        _ => new("Not now", "quiet"),
    };

    public static Badge Of(RunStepState state) => state switch
    {
        RunStepState.NotExecuted => new("Not executed", "quiet"),
        RunStepState.Running => new("Running", "busy"),
        RunStepState.Waiting => new("Waiting", "busy"),
        RunStepState.Done => new("Done", "ok"),
        RunStepState.Refused => new("Refused", "warn"),
        RunStepState.Failed => new("Failed", "bad"),
        RunStepState.Faulted => new("Stopped by an error", "bad"),
        _ => new("Cancelled", "warn"),
    };

    public static Badge OfResult(string result) => result switch
    {
        "running" => new("Running", "busy"),
        "done" => new("Done", "ok"),
        "copied" => new("Copied", "ok"),
        "copiedWithLosses" => new("Copied with losses", "warn"),
        "nothingToCopy" => new("Nothing to copy", "ok"),
        "refused" => new("Refused", "warn"),
        "undone" => new("Undone", "warn"),
        "cancelled" => new("Cancelled", "warn"),
        "faulted" => new("Stopped by an error", "bad"),
        _ => new("Failed", "bad"),
    };

    /// <summary>E.g. <c>60.002 s ahead, ± 3 ms</c>.</summary>
    public static string Clock(ClockOffset clock)
    {
        var uncertain = string.Create(CultureInfo.InvariantCulture, $"± {Math.Ceiling(clock.Uncertainty.TotalMilliseconds):0} ms");
        return clock.Offset.Duration() <= clock.Uncertainty
            ? $"right, {uncertain}"
            : string.Create(CultureInfo.InvariantCulture, $"{clock.Offset.Duration().TotalSeconds:0.###} s {(clock.Offset > TimeSpan.Zero ? "ahead" : "behind")}, {uncertain}");
    }

    /// <summary>E.g. <c>512 B</c>, <c>1.5 MB</c>, <c>2.34 TB</c>; steps of 1,000.</summary>
    public static string Bytes(long bytes)
    {
        string[] units = ["B", "kB", "MB", "GB", "TB", "PB"];
        var value = (double)bytes;
        var unit = 0;
        while (value >= 999.5 && unit < units.Length - 1)
        {
            value /= 1000;
            unit++;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{(unit == 0 || value >= 100 ? value.ToString("0", CultureInfo.InvariantCulture) : value.ToString("0.##", CultureInfo.InvariantCulture))} {units[unit]}");
    }

    /// <summary>E.g. <c>42 ms</c>, <c>12.3 s</c>, <c>2 min 05 s</c>, <c>3 h 12 min</c>, <c>2 d 4 h</c>.</summary>
    public static string Duration(TimeSpan length)
    {
        if (length < TimeSpan.Zero)
        {
            length = TimeSpan.Zero;
        }

        return length switch
        {
            { TotalSeconds: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{Math.Floor(length.TotalMilliseconds):0} ms"),
            { TotalSeconds: < 60 } => string.Create(CultureInfo.InvariantCulture, $"{Math.Floor(length.TotalSeconds * 10) / 10:0.0} s"),
            { TotalMinutes: < 60 } => string.Create(CultureInfo.InvariantCulture, $"{(int)length.TotalMinutes} min {length.Seconds:00} s"),
            { TotalHours: < 24 } => string.Create(CultureInfo.InvariantCulture, $"{(int)length.TotalHours} h {length.Minutes:00} min"),
            _ => string.Create(CultureInfo.InvariantCulture, $"{(int)length.TotalDays} d {length.Hours} h"),
        };
    }
}
