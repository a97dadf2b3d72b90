using System.Globalization;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Library;
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
using FailbackWorkflows.Server.Resources;

namespace FailbackWorkflows.Server.Pages;

/// <summary>A state as pages show it: a word and the colour that goes with it. The word alone says everything; the colour only helps the eye.</summary>
/// <param name="Tone">One of <c>ok</c>, <c>busy</c>, <c>warn</c>, <c>bad</c>, <c>quiet</c>.</param>
public sealed record Badge(string Text, string Tone);

/// <summary>States and lengths in the words of the pages.</summary>
internal static class Wording
{
    public static Badge Of(WorkflowSubStatus state) => state switch
    {
        WorkflowSubStatus.Finished => new(Texts.Of("Ended"), "ok"),
        WorkflowSubStatus.Cancelled => new(Texts.Of("Cancelled"), "quiet"),
        WorkflowSubStatus.Faulted => new(Texts.Of("Stopped by an error"), "bad"),
        WorkflowSubStatus.Suspended => new(Texts.Of("Waiting"), "busy"),
        _ => new(Texts.Of("Running"), "busy"),
    };

    public static string Segments(long count) => count == 1 ? Texts.Of("1 segment") : Texts.Of("{0} segments", count);

    public static string Records(long count) => count == 1 ? Texts.Of("1 record") : Texts.Of("{0} records", count);

    public static string Events(long count) => count == 1 ? Texts.Of("1 event") : Texts.Of("{0} events", count);

    public static string Runs(long count) => count == 1 ? Texts.Of("1 run") : Texts.Of("{0} runs", count);

    /// <summary>Which servers a list shows.</summary>
    public static string Of(VmsServerFilter filter) => filter switch
    {
        VmsServerFilter.Broken => Texts.Of("Marked broken"),
        VmsServerFilter.NotConnected => Texts.Of("Not connected, or unstable"),
        VmsServerFilter.ActingForOthers => Texts.Of("Acting for another server"),
        VmsServerFilter.NotReady => Texts.Of("Not ready"),
        _ => Texts.Of("All servers"),
    };

    public static Badge Of(FailoverState state) => state switch
    {
        FailoverState.Running => new(Texts.Of("Running"), "busy"),
        FailoverState.Done => new(Texts.Of("Done"), "ok"),
        _ => new(Texts.Of("Failed"), "bad"),
    };

    public static Badge Of(FailbackState state) => state switch
    {
        FailbackState.NotStarted => new(Texts.Of("Not started"), "quiet"),
        FailbackState.Running => new(Texts.Of("Running"), "busy"),
        FailbackState.Done => new(Texts.Of("Done"), "ok"),
        _ => new(Texts.Of("Failed"), "bad"),
    };

    /// <summary>In place of the state of an entry that needs somebody at once.</summary>
    public static Badge Of(EntryAlert alert) => new(alert.Kind == EntryAlerts.NobodyRecords ? Texts.Of("Nobody records") : Texts.Of("Alarm"), "bad");

    /// <summary>Of an entry of which something could not be told yet.</summary>
    public static Badge DebtUnreachable => new(Texts.Of("Debt unreachable"), "warn");

    public static string Of(ObligationKind kind) => kind switch
    {
        ObligationKind.Grant => Texts.Of("it has the duty"),
        ObligationKind.Stop => Texts.Of("stop recording"),
        ObligationKind.LastTimes => Texts.Of("report the last times"),
        ObligationKind.HoldEnd => Texts.Of("end the retention hold"),
        ObligationKind.StandBy => Texts.Of("stand by"),
        ObligationKind.Unfreeze => Texts.Of("lift the freeze of the settings"),
        _ => Texts.Of("go back to the former settings"),
    };

    public static Badge Of(MaterialCopyState state) => state switch
    {
        MaterialCopyState.NotStarted => new(Texts.Of("Not started"), "quiet"),
        MaterialCopyState.Queued => new(Texts.Of("Queued"), "busy"),
        MaterialCopyState.Running => new(Texts.Of("Running"), "busy"),
        MaterialCopyState.Paused => new(Texts.Of("Paused"), "warn"),
        MaterialCopyState.Copied => new(Texts.Of("Copied"), "ok"),
        MaterialCopyState.CopiedWithLosses => new(Texts.Of("Copied with losses"), "warn"),
        MaterialCopyState.NothingToCopy => new(Texts.Of("Nothing to copy"), "ok"),
        MaterialCopyState.LossesAccepted => new(Texts.Of("Losses accepted"), "quiet"),
        MaterialCopyState.Cancelled => new(Texts.Of("Cancelled"), "warn"),
        _ => new(Texts.Of("Failed"), "bad"),
    };

    public static string Of(RecordKind kind) => kind == RecordKind.Anpr ? Texts.Of("ANPR") : kind.ToString();

    public static Badge Of(VmsServerState state) => state == VmsServerState.Ok ? new(Texts.Of("OK"), "ok") : new(Texts.Of("Broken"), "bad");

    public static Badge Of(ConnectionState state) => state switch
    {
        ConnectionState.Connected => new(Texts.Of("Connected"), "ok"),
        ConnectionState.Connecting => new(Texts.Of("Connecting"), "busy"),
        ConnectionState.Unstable => new(Texts.Of("Unstable"), "warn"),
        _ => new(Texts.Of("Disconnected"), "bad"),
    };

    /// <summary>What counts of a dry run: an expired one says nothing any more.</summary>
    public static Badge Of(ReadinessResponse readiness) => readiness switch
    {
        { Outcome: ReadinessOutcome.NotEnabled } => new(Texts.Of("Failover off"), "quiet"),
        { IsExpired: true } => new(Texts.Of("Out of date"), "warn"),
        { Outcome: ReadinessOutcome.Ready } => new(Texts.Of("Ready"), "ok"),
        { Outcome: ReadinessOutcome.ReadyWithWarnings } => new(Texts.Of("Ready, with warnings"), "warn"),
        _ => new(Texts.Of("Not ready"), "bad"),
    };

    public static Badge Of(ReadinessCheckOutcome outcome) => outcome switch
    {
        ReadinessCheckOutcome.Passed => new(Texts.Of("Passed"), "ok"),
        ReadinessCheckOutcome.Warning => new(Texts.Of("Warning"), "warn"),
        ReadinessCheckOutcome.Refused => new(Texts.Of("Refused"), "bad"),
        _ => new(Texts.Of("Not checked"), "quiet"),
    };

    /// <summary>E.g. <c>settings changed since; the licence changed since</c>.</summary>
    public static string Because(IEnumerable<ReadinessChange> changes) => string.Join("; ", changes.Select(change => change switch
    {
        ReadinessChange.Definition => Texts.Of("the workflow was published anew since"),
        ReadinessChange.License => Texts.Of("the licence changed since"),
        ReadinessChange.Settings => Texts.Of("settings changed since"),
        ReadinessChange.Topology => Texts.Of("servers or the failover log entry changed since"),
        _ => Texts.Of("the site's policy or maintenance mode changed since"),
    }));

    public static Badge Of(SettingsAge age) => age switch
    {
        { Problem: not null } => new(Texts.Of("Cannot be read"), "bad"),
        { IsStale: true } => new(Texts.Of("Stale"), "warn"),
        _ => new(Texts.Of("Up to date"), "ok"),
    };

    /// <summary>E.g. <c>enabled, group north; fails back by itself</c>.</summary>
    public static string FailoverSettings(VmsServer server) => string.Join("; ", FailoverPhrases(server));

    private static IEnumerable<string> FailoverPhrases(VmsServer server)
    {
        if (!server.IsFailoverEnabled)
        {
            yield return Texts.Of("disabled");
            yield break;
        }

        yield return server.FailoverGroup is null ? Texts.Of("enabled") : Texts.Of("enabled, group {0}", server.FailoverGroup);
        if (server.IsAutomaticFailoverEnabled)
        {
            yield return server.FailoverAfterPolls == 1 ? Texts.Of("taken over by itself after 1 failed poll") : Texts.Of("taken over by itself after {0} failed polls", server.FailoverAfterPolls);
        }
        else
        {
            yield return Texts.Of("taken over when somebody starts it");
        }

        if (server.IsAutomaticFailbackEnabled)
        {
            yield return Texts.Of("fails back by itself");
        }
    }

    public static Badge Of(AutomaticVerdict verdict) => verdict switch
    {
        AutomaticVerdict.Yes => new(Texts.Of("Begins"), "busy"),
        AutomaticVerdict.Waits => new(Texts.Of("Waits"), "busy"),
        AutomaticVerdict.Refused => new(Texts.Of("Refused"), "warn"),
        _ => new(Texts.Of("Not now"), "quiet"),
    };

    public static Badge Of(RunStepState state) => state switch
    {
        RunStepState.NotExecuted => new(Texts.Of("Not executed"), "quiet"),
        RunStepState.Running => new(Texts.Of("Running"), "busy"),
        RunStepState.Waiting => new(Texts.Of("Waiting"), "busy"),
        RunStepState.Done => new(Texts.Of("Done"), "ok"),
        RunStepState.Refused => new(Texts.Of("Refused"), "warn"),
        RunStepState.Failed => new(Texts.Of("Failed"), "bad"),
        RunStepState.Faulted => new(Texts.Of("Stopped by an error"), "bad"),
        _ => new(Texts.Of("Cancelled"), "warn"),
    };

    public static Badge OfResult(string result) => result switch
    {
        "running" => new(Texts.Of("Running"), "busy"),
        "done" => new(Texts.Of("Done"), "ok"),
        "copied" => new(Texts.Of("Copied"), "ok"),
        "copiedWithLosses" => new(Texts.Of("Copied with losses"), "warn"),
        "nothingToCopy" => new(Texts.Of("Nothing to copy"), "ok"),
        "refused" => new(Texts.Of("Refused"), "warn"),
        "undone" => new(Texts.Of("Undone"), "warn"),
        "cancelled" => new(Texts.Of("Cancelled"), "warn"),
        "faulted" => new(Texts.Of("Stopped by an error"), "bad"),
        _ => new(Texts.Of("Failed"), "bad"),
    };

    /// <summary>E.g. <c>60.002 s ahead, ± 3 ms</c>.</summary>
    public static string Clock(ClockOffset clock)
    {
        var uncertain = Math.Ceiling(clock.Uncertainty.TotalMilliseconds);
        if (clock.Offset.Duration() <= clock.Uncertainty)
        {
            return Texts.Of("right, ± {0:0} ms", uncertain);
        }

        var off = clock.Offset.Duration().TotalSeconds;
        return clock.Offset > TimeSpan.Zero ? Texts.Of("{0:0.###} s ahead, ± {1:0} ms", off, uncertain) : Texts.Of("{0:0.###} s behind, ± {1:0} ms", off, uncertain);
    }

    /// <summary>E.g. <c>512 B</c>, <c>1.5 MB</c>, <c>2.34 TB</c>; steps of 1,000.</summary>
    public static string Bytes(long bytes)
    {
        const int Largest = 5;
        var value = (double)bytes;
        var unit = 0;
        while (value >= 999.5 && unit < Largest)
        {
            value /= 1000;
            unit++;
        }

        var number = value.ToString(unit == 0 || value >= 100 ? "0" : "0.##", CultureInfo.InvariantCulture);
        return unit switch
        {
            0 => Texts.Of("{0} B", number),
            1 => Texts.Of("{0} kB", number),
            2 => Texts.Of("{0} MB", number),
            3 => Texts.Of("{0} GB", number),
            4 => Texts.Of("{0} TB", number),
            _ => Texts.Of("{0} PB", number),
        };
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
            { TotalSeconds: < 1 } => Texts.Of("{0:0} ms", Math.Floor(length.TotalMilliseconds)),
            { TotalSeconds: < 60 } => Texts.Of("{0:0.0} s", Math.Floor(length.TotalSeconds * 10) / 10),
            { TotalMinutes: < 60 } => Texts.Of("{0} min {1:00} s", (int)length.TotalMinutes, length.Seconds),
            { TotalHours: < 24 } => Texts.Of("{0} h {1:00} min", (int)length.TotalHours, length.Minutes),
            _ => Texts.Of("{0} d {1} h", (int)length.TotalDays, length.Hours),
        };
    }

    public static Badge Of(WorkflowVersion version) => version switch
    {
        { DeletedAt: not null } => new(Texts.Of("Deleted"), ""),
        { IsDraft: true } => new(Texts.Of("Draft"), "busy"),
        { IsPublished: true } => new(Texts.Of("Published"), "ok"),
        { Origin: VersionOrigin.Run } => new(Texts.Of("Run as a draft"), ""),
        _ => new(Texts.Of("Not published any more"), ""),
    };

    public static string Author(WorkflowVersion version) => version.SavedBy == Engine.Storage.StoredDefinition.FromFile ? Texts.Of("the workflow folder") : version.SavedBy;

    public static string Of(VersionOrigin origin) => origin switch
    {
        VersionOrigin.File => Texts.Of("A file of the workflow folder"),
        VersionOrigin.Import => Texts.Of("An imported file"),
        VersionOrigin.RollBack => Texts.Of("Back to an earlier version"),
        VersionOrigin.Run => Texts.Of("It was run as a draft"),
        _ => Texts.Of("Edited in the designer"),
    };

    public static string Of(RevisionKind kind) => kind switch
    {
        RevisionKind.Saved => Texts.Of("saved"),
        RevisionKind.Refused => Texts.Of("not saved, because somebody else had"),
        RevisionKind.Published => Texts.Of("published (kind of a save)"),
        RevisionKind.Imported => Texts.Of("imported"),
        RevisionKind.RolledBack => Texts.Of("rolled back"),
        RevisionKind.Retracted => Texts.Of("unpublished"),
        RevisionKind.Frozen => Texts.Of("run as a draft (kind of a save)"),
        RevisionKind.Deleted => Texts.Of("deleted (kind of a save)"),
        RevisionKind.Restored => Texts.Of("brought back"),
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };
}
