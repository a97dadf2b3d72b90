using System.Security.Cryptography;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Failback.Licensing;

public sealed class LicenseCheckTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly Installed _installed = new();

    [Fact]
    public async Task Licence_Valid_IsAcceptedWithoutAWord()
    {
        Install(Valid);

        var verdict = await CheckAsync();

        (verdict.IsLicensed, verdict.Message, verdict.License!.Licensee).ShouldBe((true, null, "Test site"));
    }

    [Fact]
    public async Task Licence_NotInstalled_IsRefused() => (await RefusalAsync()).ShouldContain("No licence is installed");

    [Fact]
    public async Task Licence_Tampered_IsRefused()
    {
        Install(Valid);
        _installed.License = _installed.License! with { Document = _installed.License.Document.Replace("\"recorders\":10", "\"recorders\":99", StringComparison.Ordinal) };

        _installed.License.Document.ShouldContain("99");
        (await RefusalAsync()).ShouldContain("signature does not fit");
    }

    [Fact]
    public async Task Licence_OfAnotherIssuer_IsRefused()
    {
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var (document, signature) = LicenseIssuer.Issue(Valid, other);
        _installed.License = new(document, signature, _time.GetUtcNow(), "test");

        (await RefusalAsync()).ShouldContain("signature does not fit");
    }

    [Theory]
    [InlineData("not base64 at all!")]
    [InlineData("")]
    [InlineData("AAAA")]
    public async Task Licence_SignatureUnreadable_IsRefused(string signature)
    {
        Install(Valid);
        _installed.License = _installed.License! with { Signature = signature };

        (await CheckAsync()).IsLicensed.ShouldBeFalse();
    }

    [Fact]
    public async Task Licence_WithoutAConfiguredIssuer_IsRefused()
    {
        Install(Valid);

        (await new LicenseCheck(_installed, new Servers(1), new LicenseOptions { Site = "test" }, _time).CheckAsync(LicenseCheck.Failover, default))
            .Message!.ShouldContain("no public key");
    }

    [Fact]
    public async Task Licence_ForAnotherSite_IsRefused()
    {
        Install(Valid with { Site = "elsewhere" });

        (await RefusalAsync()).ShouldContain("'elsewhere'");
    }

    [Fact]
    public async Task Licence_NotYetValid_IsRefused()
    {
        Install(Valid with { ValidFrom = _time.GetUtcNow().AddHours(1) });

        (await RefusalAsync()).ShouldContain("valid only from");
    }

    [Theory]
    [InlineData(0, 0, false, "expired")]
    [InlineData(0, -1, true, null)]
    [InlineData(7, 0, true, "grace period")]
    [InlineData(7, 7 * 24 * 60 - 1, true, "grace period")]
    [InlineData(7, 7 * 24 * 60, false, "expired")]
    public async Task Licence_AroundItsEnd_IsAcceptedUntilTheGracePeriodIsOver(int graceDays, int minutesAfterEnd, bool isLicensed, string? word)
    {
        Install(Valid with { GraceDays = graceDays, ValidUntil = _time.GetUtcNow().AddMinutes(-minutesAfterEnd) });

        var verdict = await CheckAsync();

        verdict.IsLicensed.ShouldBe(isLicensed);
        (verdict.Message ?? "").ShouldContain(word ?? "");
        (verdict.Message is null).ShouldBe(word is null);
    }

    [Fact]
    public async Task Licence_WithoutTheFeature_IsRefused()
    {
        Install(Valid with { Features = ["playback"] });

        (await RefusalAsync()).ShouldContain("does not cover failover");
    }

    [Theory]
    [InlineData(10, true)]
    [InlineData(11, false)]
    public async Task Licence_NumberOfRecorders_IsItsLimit(int servers, bool isLicensed)
    {
        Install(Valid);

        (await CheckAsync(servers)).IsLicensed.ShouldBe(isLicensed);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("not json")]
    public void Licence_SignedButNotALicence_IsRefused(string document)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var signature = Convert.ToBase64String(key.SignData(System.Text.Encoding.UTF8.GetBytes(document), HashAlgorithmName.SHA256));
        var check = new LicenseCheck(_installed, new Servers(1), new LicenseOptions { Site = "test", PublicKey = key.ExportSubjectPublicKeyInfoPem() }, _time);

        var verdict = check.Verify(new SignedLicense(document, signature, _time.GetUtcNow(), "test"));

        (verdict.IsLicensed, verdict.Message).ShouldBe((false, "The licence cannot be read. Install the original file."));
    }

    private LicenseDocument Valid => TestLicense.Valid(_time.GetUtcNow());

    private void Install(LicenseDocument license) => _installed.License = TestLicense.Sign(license, _time.GetUtcNow());

    private Task<LicenseVerdict> CheckAsync(int servers = 3) => new LicenseCheck(_installed, new Servers(servers), TestLicense.Options, _time).CheckAsync(LicenseCheck.Failover, default);

    private async Task<string> RefusalAsync()
    {
        var verdict = await CheckAsync();
        verdict.IsLicensed.ShouldBeFalse();
        return verdict.Message!;
    }

    private sealed class Installed : ILicenses
    {
        public SignedLicense? License { get; set; }

        public Task<SignedLicense?> FindCurrentAsync(CancellationToken cancellationToken) => Task.FromResult(License);
    }

    private sealed class Servers(int count) : IVmsServers
    {
        public long Version => 0;

        public Task<VmsServer?> FindAsync(string id, CancellationToken cancellationToken) => Task.FromResult<VmsServer?>(null);

        public Task<IReadOnlyList<VmsServer>> ListAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<VmsServer>>([]);

        public Task<IReadOnlyList<VmsServerRevision>> ListRevisionsAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<VmsServerRevision>>([]);

        public Task<IReadOnlyList<VmsServer>> ListAsync(VmsServerQuery query, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<VmsServer>>([]);

        public Task<(IReadOnlyList<VmsServer> Page, int Found)> SearchAsync(VmsServerQuery query, CancellationToken cancellationToken) => Task.FromResult<(IReadOnlyList<VmsServer>, int)>(([], count));

        public Task<IReadOnlyList<VmsServer>> ListAsync(IReadOnlyCollection<string> ids, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<VmsServer>>([]);

        public Task<IReadOnlyDictionary<string, string>> ListNamesAsync(IReadOnlyCollection<string> ids, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyDictionary<string, string>>(new Dictionary<string, string>());

        public Task<IReadOnlyList<string>> FindIdsAsync(string text, int take, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<string>>([]);

        public Task<VmsServer?> FindByMachineAsync(string machineId, CancellationToken cancellationToken) => Task.FromResult<VmsServer?>(null);

        public Task<IReadOnlyList<string>> ListGroupsAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<string>>([]);

        public Task<IReadOnlyList<VmsServer>> ListGroupAsync(string failoverGroup, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<VmsServer>>([]);

        public Task<IReadOnlyDictionary<string, (int Members, long Digests)>> DigestGroupsAsync(IReadOnlyCollection<string> failoverGroups, CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyDictionary<string, (int Members, long Digests)>>(new Dictionary<string, (int, long)>());

        public Task<int> CountAsync(CancellationToken cancellationToken) => Task.FromResult(count);
    }
}
