using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FailbackWorkflows.Server.Hosting;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>What the process makes of its folder and its address.</summary>
public sealed class HostingTests : IDisposable
{
    private readonly string folder = Path.Combine(Path.GetTempPath(), $"failback-hosting-{Guid.NewGuid():N}");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void DataFolder_MadeOrWide_IsItsOwnersOnly()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        var made = DataFolder.Open(folder);
        File.GetUnixFileMode(folder).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        File.GetUnixFileMode(made.Database).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);

        File.SetUnixFileMode(made.Database, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        DataFolder.Open(folder);
        File.GetUnixFileMode(made.Database).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    [Fact]
    public async Task Help_StartsNothing()
    {
        (await FailbackWorkflows.Server.Program.Main(["--data", folder, "--help"]).WaitAsync(TimeSpan.FromSeconds(30))).ShouldBe(ExitCodes.Ended);

        Directory.Exists(folder).ShouldBeFalse();
        Directory.CreateDirectory(folder);
    }

    [Fact]
    public async Task Https_TellsBrowsersToStayWithIt()
    {
        Directory.CreateDirectory(folder);
        var certificate = Path.Combine(folder, "site.pfx");
        await File.WriteAllBytesAsync(certificate, MakeCertificate());
        await using var app = FailbackWorkflows.Server.Program.Build(
            [
                "--urls", "https://127.0.0.1:0",
                "--data", Path.Combine(folder, "data"),
                "--FAILBACK_ADMIN_PASSWORD", "a long test password",
                "--Kestrel:Certificates:Default:Path", certificate,
                "--Serilog:MinimumLevel:Default", "Warning",
            ],
            null);
        await app.StartAsync();
        using var client = new HttpClient(new HttpClientHandler { ServerCertificateCustomValidationCallback = HttpClientHandler.DangerousAcceptAnyServerCertificateValidator });
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(new Uri(app.Urls.First()), "/health/live"));
        request.Headers.Host = "failback.example";

        using var answer = await client.SendAsync(request);

        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        answer.Headers.GetValues("Strict-Transport-Security").Single().ShouldContain("max-age=");
        await app.StopAsync();
    }

    private static byte[] MakeCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=failback.example", key, HashAlgorithmName.SHA256);
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        return certificate.Export(X509ContentType.Pfx);
    }
}
