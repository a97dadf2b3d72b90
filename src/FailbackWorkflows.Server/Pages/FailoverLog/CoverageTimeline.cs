using System.Globalization;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Server.Resources;

namespace FailbackWorkflows.Server.Pages.FailoverLog;

/// <summary>A stretch of a timeline, placed in a drawing of 0 to <see cref="CoverageTimeline.Width"/>.</summary>
/// <param name="PlayFrom">Where its material begins; null when the failed server has none of it.</param>
public sealed record TimelinePiece(string X, string Width, string Tone, string Title, DateTimeOffset? PlayFrom);

/// <summary>The timeline of one track as a drawing, and what it shows in words.</summary>
public sealed record CoverageTimeline(TrackCoverage Track, IReadOnlyList<TimelinePiece> Pieces, string Text)
{
    /// <summary>Width of the drawing in its own units.</summary>
    public const int Width = 1000;

    private const double Least = 1.5;

    /// <summary>The first moment that can be played, what was fetched before what was there; null when there is none.</summary>
    public DateTimeOffset? PlayFrom =>
        (Track.Stretches.FirstOrDefault(s => s.State == CoverageState.Copied) ?? Track.Stretches.FirstOrDefault(s => RestoredPlayer.IsHome(s.State)))?.From;

    public static CoverageTimeline Of(TrackCoverage track, CoverageReport report)
    {
        var from = report.Period.FromUtc;
        var ticks = (double)Math.Max(1, (report.Period.ToUtc - from).Ticks);
        var pieces = track.Stretches.Select(s =>
        {
            var x = Math.Clamp((s.From - from).Ticks / ticks * Width, 0, Width - Least);
            var width = Math.Clamp((s.To - s.From).Ticks / ticks * Width, Least, Width - x);
            return new TimelinePiece(Number(x), Number(width), ToneOf(s.State), Title(s), RestoredPlayer.IsHome(s.State) ? s.From : null);
        });
        return new(track, [.. pieces], Describe(track));
    }

    /// <summary>Name of a state in the legend.</summary>
    public static string NameOf(CoverageState state) => state switch
    {
        CoverageState.Copied => Texts.Of("Fetched"),
        CoverageState.AlreadyThere => Texts.Of("Already there"),
        CoverageState.Archived => Texts.Of("In the side archive"),
        CoverageState.NotRecorded => Texts.Of("Gap (not recorded)"),
        CoverageState.Missing => Texts.Of("Missing"),
        CoverageState.OutsideRetention => Texts.Of("Outside retention"),
        CoverageState.Disputed => Texts.Of("Disputed"),
        _ => Texts.Of("Open"),
    };

    /// <summary>Class of the piece; the style sheet gives it its pattern and colour.</summary>
    public static string ToneOf(CoverageState state) => $"cov-{char.ToLowerInvariant(state.ToString()[0])}{state.ToString()[1..]}";

    private static string Title(CoverageStretch stretch) => stretch.Reason is null
        ? Texts.Of("{0}: {1} to {2}", NameOf(stretch.State), Time(stretch.From), Time(stretch.To))
        : Texts.Of("{0} ({1}): {2} to {3}", NameOf(stretch.State), stretch.Reason, Time(stretch.From), Time(stretch.To));

    private static string Describe(TrackCoverage track) => string.Join("; ", track.Stretches.GroupBy(s => s.State).OrderBy(g => g.Key).Select(g =>
    {
        var length = Wording.Duration(TimeSpan.FromTicks(g.Sum(s => (s.To - s.From).Ticks)));
        return g.Count() == 1 ? Texts.Of("{0}: {1} in 1 stretch", NameOf(g.Key), length) : Texts.Of("{0}: {1} in {2} stretches", NameOf(g.Key), length, g.Count());
    }));

    private static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    private static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);
}
