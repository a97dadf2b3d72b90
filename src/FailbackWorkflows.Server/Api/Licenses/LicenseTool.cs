using System.Globalization;
using System.Security.Cryptography;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Server.Hosting;

namespace FailbackWorkflows.Server.Api.Licenses;

/// <summary>
/// <c>FailbackWorkflows.Server license …</c>: makes an issuer's key pair, issues licence files, shows what one says. For tests, demos and whoever
/// issues licences; a site needs only the public key. Starts no server and opens no database.
/// </summary>
internal sealed class LicenseTool(TextWriter output, TextWriter error, TimeProvider time)
{
    public const string Command = "license";

    public const string Usage = """
        license new-key --out FILE
            Makes an issuer's key pair: FILE is the private key (keep it secret), FILE.pub the public one for Failback:License:PublicKey.
        license issue --key FILE --site SITE --licensee NAME --recorders N --out FILE
                      [--features failover,…] [--valid-from yyyy-MM-dd] [--days N] [--grace-days N]
            Issues a licence, by default for failover, from today, for 365 days and 14 days of grace.
        license show --file FILE --public-key FILE --site SITE
            Says what a licence file says, and whether the site would accept it. Ends with 1 if not.
        """;

    /// <summary>Runs the subcommand; the exit code is for scripts.</summary>
    public async Task<int> RunAsync(IReadOnlyList<string> args, CancellationToken cancellationToken)
    {
        try
        {
            var options = Read([.. args.Skip(1)]);
            return args.FirstOrDefault() switch
            {
                "new-key" => await MakeKeyAsync(options, cancellationToken),
                "issue" => await IssueAsync(options, cancellationToken),
                "show" => await ShowAsync(options, cancellationToken),
                _ => throw new StartRefusedException(ExitCodes.BadSettings, Usage),
            };
        }
        catch (StartRefusedException refused)
        {
            await error.WriteLineAsync(refused.Message);
            return refused.ExitCode;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            await error.WriteLineAsync(exception.Message);
            return ExitCodes.Failed;
        }
    }

    private async Task<int> MakeKeyAsync(Options options, CancellationToken cancellationToken)
    {
        var file = options.Required("out");
        options.Finish();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        await WriteNewAsync(file, key.ExportPkcs8PrivateKeyPem(), isSecret: true, cancellationToken);
        await WriteNewAsync($"{file}.pub", key.ExportSubjectPublicKeyInfoPem(), isSecret: false, cancellationToken);
        await output.WriteLineAsync($"{file} is the private key, {file}.pub the public one.");
        return ExitCodes.Ended;
    }

    private async Task<int> IssueAsync(Options options, CancellationToken cancellationToken)
    {
        var keyFile = options.Required("key");
        var file = options.Required("out");
        var from = options.Day("valid-from") ?? new DateTimeOffset(time.GetUtcNow().UtcDateTime.Date, TimeSpan.Zero);
        var license = new LicenseDocument(
            options.Required("site"),
            options.Required("licensee"),
            (options.Find("features") ?? LicenseCheck.Failover).Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
            options.Number("recorders", null, 1, 1_000_000),
            from,
            from.AddDays(options.Number("days", 365, 1, 36_500)),
            options.Number("grace-days", 14, 0, 3650));
        options.Finish();
        using var key = await ReadKeyAsync(keyFile, cancellationToken);
        var (document, signature) = LicenseIssuer.Issue(license, key);
        await WriteNewAsync(file, new LicenseFile(document, signature).ToText(), isSecret: false, cancellationToken);
        await output.WriteLineAsync($"{file} is a licence for {license.Recorders} recorders of '{license.Site}', valid until {license.ValidUntil:yyyy-MM-dd}.");
        return ExitCodes.Ended;
    }

    private async Task<int> ShowAsync(Options options, CancellationToken cancellationToken)
    {
        var file = options.Required("file");
        var publicKey = options.Required("public-key");
        var site = options.Required("site");
        options.Finish();
        if (LicenseFile.TryParse(await File.ReadAllTextAsync(file, cancellationToken)) is not { } read)
        {
            throw new StartRefusedException(ExitCodes.BadSettings, $"{file} is not a licence file.");
        }

        var check = new LicenseVerification(new LicenseOptions { PublicKey = await File.ReadAllTextAsync(publicKey, cancellationToken), Site = site }, time);
        var verdict = check.Verify(new SignedLicense(read.Document, read.Signature, time.GetUtcNow(), Command));
        await output.WriteLineAsync(read.Document);
        await output.WriteLineAsync(verdict.Message ?? "The licence is valid.");
        return verdict.IsLicensed ? ExitCodes.Ended : ExitCodes.Failed;
    }

    private static async Task<ECDsa> ReadKeyAsync(string file, CancellationToken cancellationToken)
    {
        var key = ECDsa.Create();
        try
        {
            key.ImportFromPem(await File.ReadAllTextAsync(file, cancellationToken));
            if (key.KeySize == 256 && key.ExportParameters(includePrivateParameters: true).D is not null)
            {
                return key;
            }
        }
        catch (Exception exception) when (exception is ArgumentException or CryptographicException)
        {
            throw new StartRefusedException(ExitCodes.BadSettings, $"{file} is not an ECDSA P-256 private key in PEM. Make one with 'license new-key'.", exception);
        }

        throw new StartRefusedException(ExitCodes.BadSettings, $"{file} is not an ECDSA P-256 private key in PEM. Make one with 'license new-key'.");
    }

    /// <summary>Never over an existing file: a key that is gone cannot be had again.</summary>
    private static async Task WriteNewAsync(string file, string text, bool isSecret, CancellationToken cancellationToken)
    {
        if (File.Exists(file))
        {
            throw new StartRefusedException(ExitCodes.BadSettings, $"{file} exists already and is not overwritten. Give another name, or move it away.");
        }

        var how = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (isSecret && !OperatingSystem.IsWindows())
        {
            how.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        await using var writer = new StreamWriter(file, how);
        await writer.WriteAsync(text.AsMemory(), cancellationToken);
    }

    private static Options Read(IReadOnlyList<string> args)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < args.Count; i += 2)
        {
            if (!args[i].StartsWith("--", StringComparison.Ordinal) || i + 1 == args.Count || !values.TryAdd(args[i][2..], args[i + 1]))
            {
                throw new StartRefusedException(ExitCodes.BadSettings, $"'{args[i]}' was not understood.{Environment.NewLine}{Usage}");
            }
        }

        return new Options(values);
    }

    private sealed class Options(Dictionary<string, string> values)
    {
        private readonly HashSet<string> _asked = new(StringComparer.Ordinal);

        public string? Find(string name)
        {
            _asked.Add(name);
            return values.GetValueOrDefault(name);
        }

        public string Required(string name) => Find(name) is { Length: > 0 } value ? value : throw Refuse($"--{name} is missing.");

        public int Number(string name, int? otherwise, int least, int most)
        {
            var text = Find(name);
            return text is null && otherwise is { } usual ? usual
                : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most ? number
                : throw Refuse($"--{name} must be a whole number from {least} to {most}.");
        }

        public DateTimeOffset? Day(string name) => Find(name) is not { } text ? null
            : DateTimeOffset.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var day) ? day
            : throw Refuse($"--{name} must be a day such as 2026-01-31.");

        /// <summary>Refuses what nobody asked for: a misspelled option must not be left out in silence.</summary>
        public void Finish()
        {
            if (values.Keys.FirstOrDefault(name => !_asked.Contains(name)) is { } unknown)
            {
                throw Refuse($"There is no option --{unknown} here.");
            }
        }

        private static StartRefusedException Refuse(string sentence) => new(ExitCodes.BadSettings, $"{sentence}{Environment.NewLine}{Usage}");
    }
}
