using System.IO.Compression;
using System.Net;
using System.Text;
using FailbackWorkflows.Testing.Failback;
using Microsoft.AspNetCore.Builder;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server.Studio;

/// <summary>How the files of the designer's package are served, and what a server without them says.</summary>
public sealed class DesignerFilesTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("designer-").FullName;
    private WebApplication _app = null!;
    private HttpClient _client = null!;

    public async Task InitializeAsync()
    {
        var package = Path.Combine(_folder, "package");
        Directory.CreateDirectory(Path.Combine(package, "_framework"));
        Directory.CreateDirectory(Path.Combine(package, "_content", "Shell"));
        Compress(Path.Combine(package, "_framework", "blazor.webassembly.js"), "start();");
        Compress(Path.Combine(package, "_framework", "Elsa.abc1234567.wasm"), "not really");
        await File.WriteAllTextAsync(Path.Combine(package, "_content", "Shell", "icon.png"), "a picture");
        await File.WriteAllTextAsync(Path.Combine(_folder, "secret.txt"), "not for you");
        _app = FailbackWorkflows.Server.Program.Build(
            [
                "--urls", "http://127.0.0.1:0", "--data", Path.Combine(_folder, "data"), "--FAILBACK_ADMIN_PASSWORD", ServerHarness.AdminPassword,
                "--Failback:DesignerPath", package, "--Serilog:MinimumLevel:Default", "Warning",
            ]);
        await _app.StartAsync();
        _client = new HttpClient(new HttpClientHandler { AutomaticDecompression = DecompressionMethods.None, AllowAutoRedirect = false }) { BaseAddress = new Uri(_app.Urls.First()) };
    }

    public async Task DisposeAsync()
    {
        _client.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData("gzip, br", "br")]
    [InlineData("gzip", "gzip")]
    [InlineData("br;q=0, gzip", "gzip")]
    public async Task File_IsSentCompressedAsTheBrowserTakesIt(string accepted, string sent)
    {
        using var answer = await GetAsync("/studio/_framework/Elsa.abc1234567.wasm", accepted);

        answer.Content.Headers.ContentEncoding.ShouldBe([sent]);
        answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/wasm");
        answer.Headers.Vary.ShouldBe(["Accept-Encoding"]);
        answer.Headers.CacheControl!.ToString().ShouldContain("max-age=31536000");
        Unpack(await answer.Content.ReadAsByteArrayAsync(), sent).ShouldBe("not really");
    }

    [Fact]
    public async Task File_ForWhoTakesNoCompression_IsUnpacked()
    {
        using var answer = await GetAsync("/studio/_framework/blazor.webassembly.js", null);

        answer.Content.Headers.ContentEncoding.ShouldBeEmpty();
        (await answer.Content.ReadAsStringAsync()).ShouldBe("start();");
        answer.Headers.CacheControl!.NoCache.ShouldBeTrue("its name does not change when it does");
    }

    [Fact]
    public async Task File_ThatTheBrowserHas_IsNotSentAgain()
    {
        using var first = await GetAsync("/studio/_content/Shell/icon.png", "br");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/studio/_content/Shell/icon.png");
        request.Headers.IfNoneMatch.Add(first.Headers.ETag!);
        using var again = await _client.SendAsync(request);

        again.StatusCode.ShouldBe(HttpStatusCode.NotModified);
    }

    [Theory]
    [InlineData("/studio/_content/../../secret.txt")]
    [InlineData("/studio/_content/%2e%2e/%2e%2e/secret.txt")]
    [InlineData("/studio/_framework/..%2f..%2fsecret.txt")]
    public async Task File_OutsideThePackage_IsNotServed(string path)
    {
        using var answer = await GetAsync(path, null);

        (await answer.Content.ReadAsStringAsync()).ShouldNotContain("not for you");
    }

    [Fact]
    public async Task Page_HasThePolicyThatTheDesignerNeeds_AndNoMore()
    {
        using var answer = await GetAsync("/studio/workflows/definitions", null);

        var host = _client.BaseAddress!.Authority;
        answer.Headers.GetValues("Content-Security-Policy").Single().ShouldBe(
            "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
            + $"connect-src 'self' ws://{host}; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'");
    }

    [Fact]
    public void Lock_NamesThePackageByItsDigest_AndNoRegistry()
    {
        var text = File.ReadAllText(RepositoryFiles.PathOf("src/FailbackWorkflows.Server/Studio/package-lock.json"));

        text.ShouldContain("\"version\": \"3.8.2\"");
        text.ShouldContain("\"integrity\": \"sha512-");
        text.ShouldNotContain("://");
    }

    private async Task<HttpResponseMessage> GetAsync(string path, string? accepted)
    {
        // As it is written, dots and all.
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(_client.BaseAddress!.GetLeftPart(UriPartial.Authority) + path, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));
        if (accepted is not null)
        {
            request.Headers.TryAddWithoutValidation("Accept-Encoding", accepted);
        }

        return await _client.SendAsync(request);
    }

    private static void Compress(string path, string text)
    {
        using (var brotli = new BrotliStream(File.Create(path + ".br"), CompressionLevel.Fastest))
        {
            brotli.Write(Encoding.UTF8.GetBytes(text));
        }

        using var gzip = new GZipStream(File.Create(path + ".gz"), CompressionLevel.Fastest);
        gzip.Write(Encoding.UTF8.GetBytes(text));
    }

    private static string Unpack(byte[] packed, string encoding)
    {
        using var memory = new MemoryStream(packed);
        using Stream stream = encoding == "br" ? new BrotliStream(memory, CompressionMode.Decompress) : new GZipStream(memory, CompressionMode.Decompress);
        return new StreamReader(stream).ReadToEnd();
    }
}

/// <summary>A server that was built without Node.</summary>
[Collection(ServerTests.Name)]
public sealed class WithoutDesignerTests(ServerHarness server)
{
    [Fact]
    public async Task WorkflowsPage_ListsWorkflows_AndSaysWhatIsMissing()
    {
        using var browser = await server.SignInAsync();

        var page = await browser.GetStringAsync("/workflows");
        using var designer = await browser.GetAsync("/studio/workflows/definitions");

        page.ShouldContain("The designer is not installed on this server");
        page.ShouldContain("npm ci");
        page.ShouldContain("Material copy");
        page.ShouldNotContain("Open the designer");
        designer.StatusCode.ShouldBe(HttpStatusCode.Redirect);
        designer.Headers.Location!.ToString().ShouldBe("/workflows");
    }

    /// <summary>A page left open must not keep its session alive by asking whether it is.</summary>
    [Fact]
    public async Task AskingForTheSession_DoesNotProlongIt()
    {
        using var browser = await server.SignInAsync();

        using var page = await browser.GetAsync("/workflows");
        using var asked = await browser.GetAsync("/studio/session");

        page.Headers.TryGetValues("Set-Cookie", out var renewed).ShouldBeTrue("what a person does prolongs it");
        renewed!.ShouldContain(c => c.StartsWith("failback.session=", StringComparison.Ordinal));
        asked.StatusCode.ShouldBe(HttpStatusCode.NoContent);
        asked.Headers.Contains("Set-Cookie").ShouldBeFalse();
    }
}
