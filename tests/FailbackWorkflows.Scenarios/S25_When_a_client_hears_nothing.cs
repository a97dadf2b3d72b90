using System.Globalization;
using System.Text.Json.Nodes;
using FailbackWorkflows.Testing.Faults;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Scenario 25: one client's connection is cut during a failback, another hears everything. The failback is done all the same; the first comes back with its cursor and misses nothing.</summary>
public sealed class S25_When_a_client_hears_nothing
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    [Fact]
    public async Task The_failback_succeeds_and_the_client_reads_on_when_it_is_back()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        var settings = await site.Standby.GetSettingsAsync(Site.MainId);
        await using var link = FaultyLink.To(site.Server.BaseUrl);
        var begin = await site.Server.ListChangesAsync() is { Count: > 0 } all ? (long)all[^1]["cursor"]! : 0;
        await using var hears = await Client.ConnectAsync(site.Server.BaseUrl, begin);
        await using var lost = await Client.ConnectAsync(link.BaseUrl, begin);
        await site.Main.HoldAnswerAsync("POST", "/v1/recorder:probe", TimeSpan.FromSeconds(2));
        var runId = await site.StartFailbackAsync(entryId);
        link.Down();
        await Should.ThrowAsync<IOException>(() => lost.ReadUntilAsync(i => false));

        await site.WaitForEndAsync(runId);
        await hears.ReadUntilAsync(IsTheEnd);
        await Invariants.AssertFailedBackAsync(site, entryId, runId, settings.Sha256);

        link.Up();
        await using var back = await Client.ConnectAsync(link.BaseUrl, lost.Cursor);
        await back.ReadUntilAsync(IsTheEnd);
        var last = hears.Heard.Single(IsTheEnd);
        var missed = (await site.Server.ListChangesAsync(begin)).TakeWhile(i => (long)i["cursor"]! <= (long)last["cursor"]!).Select(i => (long)i["cursor"]!).ToList();
        hears.Heard.Select(i => (long)i["cursor"]!).ShouldBe(missed);
        lost.Heard.Concat(back.Heard).Select(i => (long)i["cursor"]!).ShouldBe(missed, "each change once, in order");
    }

    private static bool IsTheEnd(JsonObject item) => (string?)item["kind"] == "systemChange";

    /// <summary>Reads the feed as a browser does.</summary>
    private sealed class Client : IAsyncDisposable
    {
        private readonly HttpClient _http;
        private readonly HttpResponseMessage _answer;
        private readonly StreamReader _lines;

        private Client(HttpClient http, HttpResponseMessage answer, StreamReader lines, long cursor) => (_http, _answer, _lines, Cursor) = (http, answer, lines, cursor);

        public long Cursor { get; private set; }

        public List<JsonObject> Heard { get; } = [];

        public static async Task<Client> ConnectAsync(Uri server, long cursor)
        {
            var http = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = server, Timeout = Patience };
            using var request = new HttpRequestMessage(HttpMethod.Get, "api/v1/changes");
            request.Headers.Add("X-Api-Key", ManagementServerProcess.ApiKey);
            request.Headers.Add("Last-Event-ID", cursor.ToString(CultureInfo.InvariantCulture));
            var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            answer.EnsureSuccessStatusCode();
            return new Client(http, answer, new StreamReader(await answer.Content.ReadAsStreamAsync()), cursor);
        }

        /// <summary>Throws an <see cref="IOException"/> when the connection ends before it comes.</summary>
        public async Task ReadUntilAsync(Func<JsonObject, bool> isLast)
        {
            using var limit = new CancellationTokenSource(Patience);
            var kind = "";
            while (await _lines.ReadLineAsync(limit.Token) is { } line)
            {
                if (line.StartsWith("event: ", StringComparison.Ordinal))
                {
                    kind = line["event: ".Length..];
                }
                else if (kind == "change" && line.StartsWith("data: ", StringComparison.Ordinal))
                {
                    var item = JsonNode.Parse(line["data: ".Length..])!.AsObject();
                    Cursor = (long)item["cursor"]!;
                    Heard.Add(item);
                    if (isLast(item))
                    {
                        return;
                    }
                }
            }

            throw new IOException("The feed ended.");
        }

        public ValueTask DisposeAsync()
        {
            _lines.Dispose();
            _answer.Dispose();
            _http.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
