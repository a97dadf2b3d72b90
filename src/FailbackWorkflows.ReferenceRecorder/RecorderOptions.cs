using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;

namespace FailbackWorkflows.ReferenceRecorder;

/// <summary>What the recorder was told at start: command line first, then environment variables with the prefix <c>FAILBACK_RECORDER_</c>.</summary>
public sealed record RecorderOptions
{
    /// <summary>Value of <see cref="Ffmpeg"/> that keeps all segments synthetic, and so the same on every machine.</summary>
    public const string NoFfmpeg = "none";

    /// <summary>Addresses to bind, separated by semicolons. The default is <c>http://127.0.0.1:5100</c>. Plain HTTP binds loopback only.</summary>
    public required string Urls { get; init; }

    /// <summary>Data folder; made when missing. The default is <c>recorder-data</c> under the working folder.</summary>
    public required string DataFolder { get; init; }

    /// <summary>Bearer token that every caller must show. Required; at least 8 characters. Never logged.</summary>
    public required string Token { get; init; }

    /// <summary>Version reported in the status. The default is <c>1.0.0</c>.</summary>
    public required string SoftwareVersion { get; init; }

    /// <summary>How long a duty waits after a start to be confirmed before it records provisionally. 0 s to 1 day; the default is 30 s.</summary>
    public required TimeSpan BootConfirm { get; init; }

    /// <summary>Free bytes that recording never touches. 0 or more; the default is 64 MiB.</summary>
    public required long ReserveBytes { get; init; }

    /// <summary>Most bytes of segments it keeps, however large the drive. 1 MiB or more; null (the default) is the whole drive.</summary>
    public long? CapacityBytes { get; init; }

    /// <summary>What gives way when the disk is full of owed material. The default is <see cref="HoldPressure.DropOldestOwed"/>.</summary>
    public HoldPressure OnHoldPressure { get; init; }

    /// <summary>
    /// Timelines, and records of text, metadata and ANPR, take material at their end only; what is copied here is kept in a side archive. The default is
    /// false: material of any time is taken.
    /// </summary>
    public bool IsAppendOnly { get; init; }

    /// <summary>Time between two generated frames. 10 ms to 10 s; the default is 200 ms.</summary>
    public required TimeSpan FrameInterval { get; init; }

    /// <summary>Length of a segment. At least one frame, at most 1 h; the default is 2 s.</summary>
    public required TimeSpan SegmentLength { get; init; }

    /// <summary>
    /// The ffmpeg that makes video playable: a path or a name, <see cref="NoFfmpeg"/>, or null (the default): the one on PATH, if any. Without it, or when
    /// it does not do its work, video channels record synthetic segments, labelled as such.
    /// </summary>
    public string? Ffmpeg { get; init; }

    /// <summary>
    /// The built-in analytics, number plate readers and alarm inputs have something to tell every few seconds, for demonstrations. The default
    /// is false: an alarm every few minutes. Recorders of one site must have the same.
    /// </summary>
    public bool IsBusy { get; init; }

    /// <summary>
    /// Folder that stands for the cameras of the site which allow one session: whoever has a camera has locked its file. The same for all recorders of the site. Null (the
    /// default): every camera allows as many sessions as are wanted.
    /// </summary>
    public string? CamerasFolder { get; init; }

    /// <summary>Most channels one identity may have. 1 to 10,000; the default is 1,024.</summary>
    public required int MaxChannels { get; init; }

    /// <summary>True opens <c>/test/faults</c>. For scenario tests only; the default is false.</summary>
    public required bool TestFaults { get; init; }

    /// <summary>When the data folder is new: this identity is set up, with authority, and records at once.</summary>
    public string? SeedIdentity { get; init; }

    /// <summary>Video channels of the seeded identity (as many audio channels and one text channel come with them). 1 to 500; the default is 2.</summary>
    public required int SeedChannels { get; init; }

    /// <summary>Video channels of the seeded identity, <c>camera-1</c> and so on, that record what a feeder beside a camera puts. 0 to 100; the default is 0.</summary>
    public int SeedCameras { get; init; }

    /// <summary>What may be given on the command line.</summary>
    public static IReadOnlySet<string> OptionNames { get; } = new HashSet<string>(StringComparer.OrdinalIgnoreCase)
    {
        "urls", "data", "token", "softwareVersion", "bootConfirm", "reserveBytes", "capacityBytes", "onHoldPressure", "appendOnly", "frameInterval", "segmentLength",
        "ffmpeg", "busy", "cameras", "maxChannels", "test-faults", "seedIdentity", "seedChannels", "seedCameras",
    };

    /// <summary>Reads the options.</summary>
    /// <exception cref="StartRefusedException">Something is missing or out of range; the sentence says what and how to mend it.</exception>
    public static RecorderOptions Parse(string[] args)
    {
        IConfiguration configuration;
        try
        {
            if (new ConfigurationBuilder().AddCommandLine(args).Build().GetChildren().FirstOrDefault(given => !OptionNames.Contains(given.Key)) is { } unknown)
            {
                throw Refuse($"There is no option --{unknown.Key}. docs/recorder-api.md lists them.");
            }

            configuration = new ConfigurationBuilder().AddEnvironmentVariables("FAILBACK_RECORDER_").AddCommandLine(args).Build();
        }
        catch (FormatException error)
        {
            throw Refuse($"The command line was not understood: {error.Message} Give options as --name value.");
        }

        var token = configuration["token"];
        if (string.IsNullOrWhiteSpace(token))
        {
            throw Refuse("No token was given. Start the recorder with --token TOKEN or set FAILBACK_RECORDER_TOKEN; callers must show the same token.");
        }

        if (token.Length < 8 || token.Any(c => c is <= ' ' or > '~'))
        {
            throw Refuse("The token is too short or has characters other than visible ASCII. Give one of at least 8 characters.");
        }

        var interval = Length(configuration, "frameInterval", "00:00:00.200", TimeSpan.FromMilliseconds(10), TimeSpan.FromSeconds(10));
        var seed = configuration["seedIdentity"];
        if (seed is not null && !Names.IsValid(seed))
        {
            throw Refuse($"--seedIdentity '{seed}' is not an identity. {Names.Rule}");
        }

        var options = new RecorderOptions
        {
            Urls = CheckUrls(configuration["urls"] ?? "http://127.0.0.1:5100"),
            DataFolder = Path.GetFullPath(configuration["data"] ?? "recorder-data"),
            Token = token,
            SoftwareVersion = Version.TryParse(configuration["softwareVersion"] ?? "1.0.0", out var version)
                ? version.ToString()
                : throw Refuse("--softwareVersion must be a dotted version such as 1.4.0."),
            BootConfirm = Length(configuration, "bootConfirm", "00:00:30", TimeSpan.Zero, TimeSpan.FromDays(1)),
            ReserveBytes = Whole(configuration, "reserveBytes", 64L * 1024 * 1024, 0, long.MaxValue),
            CapacityBytes = configuration["capacityBytes"] is null ? null : Whole(configuration, "capacityBytes", 0, 1024 * 1024, long.MaxValue),
            OnHoldPressure = configuration["onHoldPressure"] switch
            {
                null or "dropOldestOwed" => HoldPressure.DropOldestOwed,
                "stopAccepting" => HoldPressure.StopAccepting,
                _ => throw Refuse("--onHoldPressure must be dropOldestOwed or stopAccepting."),
            },
            IsAppendOnly = Flag(configuration, "appendOnly"),
            FrameInterval = interval,
            SegmentLength = Length(configuration, "segmentLength", "00:00:02", interval, TimeSpan.FromHours(1)),
            Ffmpeg = string.IsNullOrWhiteSpace(configuration["ffmpeg"]) ? null : configuration["ffmpeg"],
            IsBusy = Flag(configuration, "busy"),
            CamerasFolder = string.IsNullOrWhiteSpace(configuration["cameras"]) ? null : Path.GetFullPath(configuration["cameras"]!),
            MaxChannels = (int)Whole(configuration, "maxChannels", 1024, 1, 10_000),
            TestFaults = Flag(configuration, "test-faults"),
            SeedIdentity = seed,
            SeedChannels = (int)Whole(configuration, "seedChannels", 2, 1, 500),
            SeedCameras = (int)Whole(configuration, "seedCameras", 0, 0, 100),
        };
        return options.CapacityBytes <= options.ReserveBytes ? throw Refuse("--capacityBytes must be more than --reserveBytes, or nothing could ever be recorded.") : options;
    }

    // The compiler's record text would print the token.
    public override string ToString() => $"{Urls} {DataFolder}";

    private static string CheckUrls(string urls)
    {
        foreach (var url in urls.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (!Uri.TryCreate(url, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
            {
                throw Refuse($"--urls '{url}' is not an address. Give one such as http://127.0.0.1:5101.");
            }

            var isLoopback = address.IsLoopback || (IPAddress.TryParse(address.Host, out var ip) && IPAddress.IsLoopback(ip));
            if (address.Scheme == "http" && !isLoopback)
            {
                throw Refuse($"--urls '{url}' is plain HTTP off loopback, where the token could be read on the wire. Use https or a loopback address.");
            }
        }

        return urls;
    }

    private static TimeSpan Length(IConfiguration configuration, string name, string fallback, TimeSpan least, TimeSpan most) =>
        TimeSpan.TryParse(configuration[name] ?? fallback, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most
            ? value
            : throw Refuse($"--{name} must be a length from {least:c} to {most:c}, such as {fallback}.");

    private static long Whole(IConfiguration configuration, string name, long fallback, long least, long most)
    {
        var text = configuration[name];
        if (text is null)
        {
            return fallback;
        }

        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most
            ? value
            : throw Refuse($"--{name} must be a whole number from {least} to {most}.");
    }

    private static bool Flag(IConfiguration configuration, string name) =>
        bool.TryParse(configuration[name] ?? "false", out var value) ? value : throw Refuse($"--{name} must be true or false.");

    private static StartRefusedException Refuse(string sentence) => new(StartRefusedException.BadOptions, sentence);
}

/// <summary>What a recorder does when its disk falls below the reserve and all that is left is owed to another recorder.</summary>
public enum HoldPressure
{
    /// <summary>Live recording wins: the oldest owed material is dropped, and listed as lost.</summary>
    DropOldestOwed,

    /// <summary>What is owed wins: nothing more is recorded or accepted until there is room.</summary>
    StopAccepting,
}

/// <summary>The recorder cannot start; the message is a sentence for the operator, <see cref="ExitCode"/> is for scripts.</summary>
public sealed class StartRefusedException(int exitCode, string sentence) : Exception(sentence)
{
    public const int BadOptions = 2;
    public const int PortTaken = 3;
    public const int DataFolderInUse = 4;

    public int ExitCode { get; } = exitCode;
}

/// <summary>Names that travel in paths and file names: identities, channel ids, entry ids.</summary>
public static class Names
{
    public const string Rule = "Names have 1 to 64 letters, digits, '-', '_' or '.', and do not begin with '.'.";

    public const string ItemRule = "Ids have 1 to 200 letters, digits, '-', '_', '.', '~' or ':', and do not begin with '.'.";

    /// <summary>Ids of segments, records, tasks and read tokens.</summary>
    public static bool IsItem([NotNullWhen(true)] string? id) =>
        id is { Length: >= 1 and <= 200 } && id[0] != '.' && id.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '~' or ':');

    public static bool IsValid([NotNullWhen(true)] string? name) =>
        name is { Length: >= 1 and <= 64 } && name[0] != '.' && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');
}
