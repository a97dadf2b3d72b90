using System.Net;
using FailbackWorkflows.Server.Identity;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>Five hundred clients of the change feed at once, some of which do not read or are gone: the others hear of everything, in order and once.</summary>
[Collection(ServerTests.Name)]
public sealed class ChangeClientsTests(ServerHarness server)
{
    private const int Clients = 500;
    private const int Idle = 20;

    [Fact]
    public async Task FiveHundredClients_WithSlowAndDeadOnesAmongThem_AllHearOfEveryChange()
    {
        using var client = await server.WithRoleAsync(Roles.Viewer);
        client.Timeout = Timeout.InfiniteTimeSpan;
        using var administrator = server.Administrator();
        using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var idle = await Task.WhenAll(Enumerable.Range(0, Idle).Select(_ => OpenAsync(client, stop.Token)));
        var readers = (await Task.WhenAll(Enumerable.Range(0, Clients - Idle).Select(_ => OpenAsync(client, stop.Token)))).ToList();
        foreach (var reader in readers)
        {
            await ReadUntilAsync(reader, line => line.StartsWith("event: ready", StringComparison.Ordinal), stop.Token);
        }

        // Half of those that do not read go away without a word.
        foreach (var gone in idle.Take(Idle / 2))
        {
            gone.Dispose();
        }

        string[] reasons = [.. Enumerable.Range(0, 3).Select(i => $"change {i} of {Guid.NewGuid():N}")];
        foreach (var reason in reasons)
        {
            (await administrator.PutAsync("/api/v1/maintenance", ServerHarness.Json($$"""{"reason":"{{reason}}"}"""))).StatusCode.ShouldBe(HttpStatusCode.OK);
        }

        (await administrator.DeleteAsync("/api/v1/maintenance")).IsSuccessStatusCode.ShouldBeTrue();
        var heard = await Task.WhenAll(readers.Select(reader => ReadUntilAsync(reader, line => line.Contains(reasons[^1], StringComparison.Ordinal), stop.Token)));

        foreach (var lines in heard)
        {
            lines.Where(line => reasons.Any(reason => line.Contains(reason, StringComparison.Ordinal)))
                .Select(line => reasons.Single(reason => line.Contains(reason, StringComparison.Ordinal)))
                .ShouldBe(reasons);
        }

        await stop.CancelAsync();
        foreach (var reader in readers.Concat(idle))
        {
            reader.Dispose();
        }
    }

    private static async Task<StreamReader> OpenAsync(HttpClient client, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/changes");
        request.Headers.Accept.ParseAdd("text/event-stream");
        var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        return new StreamReader(await answer.EnsureSuccessStatusCode().Content.ReadAsStreamAsync(cancellationToken));
    }

    private static async Task<List<string>> ReadUntilAsync(StreamReader reader, Predicate<string> isLast, CancellationToken cancellationToken)
    {
        var lines = new List<string>();
        while (await reader.ReadLineAsync(cancellationToken) is { } line)
        {
            lines.Add(line);
            if (isLast(line))
            {
                return lines;
            }
        }

        throw new EndOfStreamException("The feed ended.");
    }
}
