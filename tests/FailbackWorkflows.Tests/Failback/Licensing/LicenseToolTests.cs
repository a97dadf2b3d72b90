using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Server.Api.Licenses;
using FailbackWorkflows.Server.Hosting;
using FailbackWorkflows.Testing;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Failback.Licensing;

/// <summary>The subcommand that issues licences: what it makes is what a site accepts.</summary>
public sealed class LicenseToolTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("failback-licence-");
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 3, 1, 9, 30, 0, TimeSpan.Zero));
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Licence_Issued_IsAcceptedByItsSiteAndByNoOther()
    {
        (await RunAsync("new-key", "--out", At("issuer.pem"))).ShouldBe(ExitCodes.Ended);
        (await RunAsync("issue", "--key", At("issuer.pem"), "--site", "north", "--licensee", "Port of Hamburg", "--recorders", "12", "--out", At("licence.json"))).ShouldBe(ExitCodes.Ended, _error.ToString());

        var file = LicenseFile.TryParse(await File.ReadAllTextAsync(At("licence.json"))).ShouldNotBeNull();
        var license = Verify(file, "north").License.ShouldNotBeNull();
        (license.Licensee, license.Recorders, license.GraceDays).ShouldBe(("Port of Hamburg", 12, 14));
        license.Features.ShouldBe([LicenseCheck.Failover]);
        (license.ValidFrom, license.ValidUntil).ShouldBe((new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero), new DateTimeOffset(2027, 3, 1, 0, 0, 0, TimeSpan.Zero)));
        Verify(file, "north").Finding.ShouldBe(LicenseFinding.Valid);
        Verify(file, "south").Finding.ShouldBe(LicenseFinding.WrongSite);
        Verify(file with { Document = file.Document.Replace("12", "99", StringComparison.Ordinal) }, "north").Finding.ShouldBe(LicenseFinding.Tampered);

        (await RunAsync("show", "--file", At("licence.json"), "--public-key", At("issuer.pem.pub"), "--site", "north")).ShouldBe(ExitCodes.Ended);
        _output.ToString().ShouldContain("Port of Hamburg");
        (await RunAsync("show", "--file", At("licence.json"), "--public-key", At("issuer.pem.pub"), "--site", "south")).ShouldBe(ExitCodes.Failed);
    }

    [Fact]
    public async Task Key_ThatExists_IsNotOverwritten()
    {
        await RunAsync("new-key", "--out", At("issuer.pem"));
        var key = await File.ReadAllTextAsync(At("issuer.pem"));

        (await RunAsync("new-key", "--out", At("issuer.pem"))).ShouldBe(ExitCodes.BadSettings);

        _error.ToString().ShouldContain("is not overwritten");
        (await File.ReadAllTextAsync(At("issuer.pem"))).ShouldBe(key);
        if (!OperatingSystem.IsWindows())
        {
            File.GetUnixFileMode(At("issuer.pem")).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
    }

    [Theory]
    [InlineData("license new-key", "")]
    [InlineData("license issue", "issue")]
    [InlineData("--recorders must be", "issue", "--key", "k", "--out", "x", "--site", "s", "--licensee", "l", "--recorders", "many")]
    [InlineData("--key is missing", "issue", "--site", "x")]
    [InlineData("'--key' was not understood", "issue", "--key")]
    [InlineData("There is no option --sites", "new-key", "--out", "x", "--sites", "y")]
    [InlineData("--valid-from must be a day", "issue", "--key", "k", "--out", "x", "--valid-from", "tomorrow")]
    public async Task Command_Wrong_SaysWhatAndHowAndMakesNothing(string sentence, params string[] args)
    {
        (await RunAsync(args)).ShouldBe(ExitCodes.BadSettings);

        _error.ToString().ShouldContain(sentence);
        _folder.GetFiles().ShouldBeEmpty();
    }

    [Fact]
    public async Task Key_ThatIsNone_IsRefused()
    {
        await File.WriteAllTextAsync(At("key"), "no key");

        (await RunAsync("issue", "--key", At("key"), "--site", "x", "--licensee", "y", "--recorders", "1", "--out", At("l.json"))).ShouldBe(ExitCodes.BadSettings);

        _error.ToString().ShouldContain("is not an ECDSA P-256 private key");
        File.Exists(At("l.json")).ShouldBeFalse();
    }

    private LicenseVerdict Verify(LicenseFile file, string site) =>
        new LicenseVerification(new LicenseOptions { PublicKey = File.ReadAllText(At("issuer.pem.pub")), Site = site }, _time).Verify(new(file.Document, file.Signature, _time.GetUtcNow(), "test"));

    private Task<int> RunAsync(params string[] args) => new LicenseTool(_output, _error, _time).RunAsync(args, default);

    private string At(string name) => Path.Combine(_folder.FullName, name);
}
