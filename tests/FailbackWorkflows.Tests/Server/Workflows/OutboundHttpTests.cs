using System.Net;
using System.Net.Sockets;
using System.Text;
using FailbackWorkflows.Engine.Http;
using FailbackWorkflows.Server.Workflows;
using FailbackWorkflows.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server.Workflows;

/// <summary>Requests of workflows go where the list says and nowhere else; a server that answers is a real one on loopback.</summary>
public sealed class OutboundHttpTests : IAsyncLifetime
{
    private readonly Names _names = new();
    private readonly FakeTimeProvider _time = new();
    private WebApplication _server = null!;
    private int _port;
    private Dictionary<string, string> _seen = [];

    public async Task InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _server = builder.Build();
        _server.Map("/echo", async context =>
        {
            _seen = context.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString());
            context.Response.ContentType = "text/plain";
            await context.Response.WriteAsync($"{context.Request.Method} {context.Request.Headers.Authorization} {await new StreamReader(context.Request.Body).ReadToEndAsync()}");
        });
        _server.Map("/away", context =>
        {
            context.Response.Redirect("http://169.254.169.254/latest/meta-data");
            return Task.CompletedTask;
        });
        _server.Map("/large", context => context.Response.WriteAsync(new string('x', 5000)));
        _server.Map("/slow", context => Task.Delay(Timeout.Infinite, context.RequestAborted));
        await _server.StartAsync();
        _port = new Uri(_server.Urls.First()).Port;
    }

    public async Task DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task EmptyList_RefusesEverythingWithWhatToDo()
    {
        var refusal = await Should.ThrowAsync<OutboundRefusedException>(SendAsync("https://alarms.example.com/x", allowed: []));

        refusal.Message.ShouldContain("Failback:Http:AllowedHosts");
        _names.Asked.ShouldBeEmpty("what is not on the list is not even looked up");
    }

    [Theory]
    [InlineData("https://other.example.com/")]
    [InlineData("https://alarms.example.com.evil.org/")]
    [InlineData("https://alarms.example.com:8443/")]
    [InlineData("ftp://alarms.example.com/")]
    [InlineData("file:///etc/passwd")]
    [InlineData("https://alarms.example.com@evil.org/")]
    [InlineData("http://127.0.0.1/")]
    [InlineData("http://2130706433/")]
    [InlineData("http://[::1]/")]
    public async Task NotOnTheList_IsRefused(string url) => await Should.ThrowAsync<OutboundRefusedException>(SendAsync(url, allowed: ["alarms.example.com"]));

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("10.1.2.3")]
    [InlineData("172.16.0.1")]
    [InlineData("192.168.1.1")]
    [InlineData("169.254.169.254")]
    [InlineData("100.64.0.1")]
    [InlineData("0.0.0.0")]
    [InlineData("::1")]
    [InlineData("fe80::1")]
    [InlineData("fd00::1")]
    [InlineData("::ffff:127.0.0.1")]
    [InlineData("::127.0.0.1")]
    [InlineData("64:ff9b::7f00:1")]
    [InlineData("2002:7f00:1::")]
    public async Task NameThatLeadsToAnAddressThatIsNotPublic_IsRefused(string address)
    {
        _names.Lead("alarms.example.com", address);

        (await Should.ThrowAsync<OutboundRefusedException>(SendAsync("http://alarms.example.com/", allowed: ["alarms.example.com"]))).Message.ShouldContain("not public");
    }

    [Fact]
    public async Task NameWithOneAddressThatIsNotPublicAmongOthers_IsRefused()
    {
        _names.Lead("alarms.example.com", "93.184.216.34", "127.0.0.1");

        await Should.ThrowAsync<OutboundRefusedException>(SendAsync("http://alarms.example.com/", allowed: ["alarms.example.com"]));
    }

    [Fact]
    public async Task NameAndItsNetworkOnTheList_IsSentAndTheNameIsLookedUpOnce()
    {
        _names.Lead("alarms.local", "127.0.0.1");

        var answer = await SendAsync($"http://alarms.local:{_port}/echo", allowed: [$"alarms.local:{_port}", "127.0.0.0/8"]);

        answer.StatusCode.ShouldBe(200);
        _seen["Host"].ShouldBe($"alarms.local:{_port}");
        _names.Asked.ShouldBe(["alarms.local"], "the connection goes to the address that was looked at");
    }

    [Fact]
    public async Task AddressOnTheList_IsSent() => (await SendAsync($"http://127.0.0.1:{_port}/echo", allowed: [$"127.0.0.1:{_port}"])).StatusCode.ShouldBe(200);

    [Fact]
    public async Task Redirect_IsAnAnswerAndIsNotFollowed()
    {
        var answer = await SendAsync($"http://127.0.0.1:{_port}/away", allowed: [$"127.0.0.1:{_port}"]);

        answer.StatusCode.ShouldBe(302);
        answer.Headers["Location"].ShouldContain("169.254.169.254");
    }

    [Fact]
    public async Task AnswerLargerThanAllowed_IsRefused() =>
        (await Should.ThrowAsync<OutboundRefusedException>(SendAsync($"http://127.0.0.1:{_port}/large", allowed: [$"127.0.0.1:{_port}"], most: 1024))).Message.ShouldContain("1024");

    [Fact]
    public async Task NoAnswerInTime_IsATimeout()
    {
        var sending = SendAsync($"http://127.0.0.1:{_port}/slow", allowed: [$"127.0.0.1:{_port}"]);
        while (!sending.IsCompleted)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        await Should.ThrowAsync<TimeoutException>(sending);
    }

    [Fact]
    public async Task NobodyListens_IsAFailure()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();

        await Should.ThrowAsync<OutboundFailedException>(SendAsync($"http://127.0.0.1:{port}/", allowed: [$"127.0.0.1:{port}"]));
    }

    [Fact]
    public async Task Secret_IsPutInAndTakenOutOfTheAnswer()
    {
        var answer = await SendAsync($"http://127.0.0.1:{_port}/echo", allowed: [$"127.0.0.1:{_port}"], authorization: "Bearer secret:erp", content: "hello");

        _seen["Authorization"].ShouldBe("Bearer topsecret");
        _seen["Idempotency-Key"].ShouldBe("run/1/request");
        answer.Content.ShouldBe("POST Bearer (secret) hello");
    }

    [Fact]
    public async Task SecretThatIsNotThere_IsRefusedByName() =>
        (await Should.ThrowAsync<OutboundRefusedException>(SendAsync($"http://127.0.0.1:{_port}/echo", allowed: [$"127.0.0.1:{_port}"], authorization: "secret:none"))).Message.ShouldContain("'none'");

    [Theory]
    [InlineData("Host", "evil")]
    [InlineData("X-A", "1\r\nX-B: 2")]
    public async Task Header_ThatIsTheServersOwnOrHasALineBreak_IsRefused(string name, string value) => await Should.ThrowAsync<OutboundRefusedException>(
        SendAsync($"http://127.0.0.1:{_port}/echo", allowed: [$"127.0.0.1:{_port}"], headers: new Dictionary<string, string> { [name] = value }));

    [Theory]
    [InlineData("alarms.example.com", true)]
    [InlineData("erp.local:8443", true)]
    [InlineData("10.1.0.0/16", true)]
    [InlineData("[::1]:8080", true)]
    [InlineData("https://alarms.example.com", false)]
    [InlineData("not a host", false)]
    public void Entry_OfTheList_IsCheckedAtTheStart(string entry, bool isGood) => AllowedHosts.Problem(entry).ShouldBe(isGood ? null : AllowedHosts.Problem(entry).ShouldNotBeNull());

    private Task<OutboundResponse> SendAsync(
        string url, string[] allowed, int most = 4096 * 4, string? authorization = null, string? content = null, Dictionary<string, string>? headers = null)
    {
        var options = new OutboundHttpOptions { AllowedHosts = allowed, MaxAnswerBytes = most, Secrets = new Dictionary<string, string> { ["erp"] = "topsecret" } };
        return new OutboundHttp(Options.Create(options), _names, _time).SendAsync(
            new(new Uri(url), content is null ? "GET" : "POST", content, content is null ? null : "text/plain", authorization, headers ?? [], "run/1/request"), CancellationToken.None);
    }

    private sealed class Names : IHostAddresses
    {
        private readonly Dictionary<string, IPAddress[]> _addresses = [];

        public List<string> Asked { get; } = [];

        public void Lead(string name, params string[] addresses) => _addresses[name] = [.. addresses.Select(IPAddress.Parse)];

        public Task<IPAddress[]> FindAsync(string host, CancellationToken cancellationToken)
        {
            Asked.Add(host);
            return Task.FromResult(_addresses[host]);
        }
    }
}
