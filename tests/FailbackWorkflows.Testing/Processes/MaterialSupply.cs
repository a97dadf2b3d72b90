using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using FailbackWorkflows.Recorders;

namespace FailbackWorkflows.Testing.Processes;

/// <summary>Puts material into a recorder over its API, as a feeder does: much more than it would record in the time of a test.</summary>
public sealed class MaterialSupply(RecorderProcess recorder, string identity) : IDisposable
{
    private const int AtOnce = 8;
    private const int RecordsPerRequest = 10_000;

    private readonly HttpClient _http = Client(recorder);

    /// <summary>Segments of one length side by side on every channel, with bytes that do not compress.</summary>
    /// <param name="name">What the ids begin with, for one channel; null: <c>fed-</c> and the channel.</param>
    public async Task PutSegmentsAsync(IReadOnlyList<string> channels, int segments, int bytes, DateTimeOffset from, TimeSpan length, string? name = null)
    {
        var jobs = Enumerable.Range(0, segments).SelectMany(s => channels.Select((c, index) => (Channel: c, Index: index, Segment: s)));
        await Parallel.ForEachAsync(jobs, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (job, cancellationToken) =>
        {
            var content = new byte[bytes];
            new Random((job.Index * 1_000_003) + job.Segment).NextBytes(content);
            var start = from + (length * job.Segment);
            var path = $"v1/tracks/{identity}~{job.Channel}/segments/{name ?? $"fed-{job.Channel}"}-{job.Segment}?from={RecorderJson.FormatInstant(start)}&to={RecorderJson.FormatInstant(start + length)}";
            using var request = new HttpRequestMessage(HttpMethod.Put, path) { Content = new ByteArrayContent(content) };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
            request.Headers.TryAddWithoutValidation("Repr-Digest", $"sha-256=:{Convert.ToBase64String(SHA256.HashData(content))}:");
            using var answer = await _http.SendAsync(request, cancellationToken);
            if (!answer.IsSuccessStatusCode)
            {
                throw new InvalidOperationException($"{path}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync(cancellationToken)}");
            }
        });
    }

    /// <summary>Records of a kind, dealt out to the channels in turn, evenly over a period.</summary>
    public async Task PutRecordsAsync(string kind, IReadOnlyList<string> channels, int count, DateTimeOffset from, TimeSpan length)
    {
        for (var done = 0; done < count; done += RecordsPerRequest)
        {
            var lines = new StringBuilder();
            for (var i = done; i < Math.Min(done + RecordsPerRequest, count); i++)
            {
                lines.Append(new JsonObject
                {
                    ["id"] = string.Create(CultureInfo.InvariantCulture, $"fed-{kind}-{i:D8}"),
                    ["kind"] = kind,
                    ["identity"] = identity,
                    ["channelId"] = channels[i % channels.Count],
                    ["timeUtc"] = RecorderJson.FormatInstant(from + (length * ((double)i / count))),
                    ["revision"] = 1,
                    ["body"] = Body(kind, i),
                }.ToJsonString()).Append('\n');
            }

            using var content = new StringContent(lines.ToString(), Encoding.UTF8, "application/x-ndjson");
            using var answer = await _http.PostAsync($"v1/records/{kind}:import?identity={identity}", content);
            var text = await answer.Content.ReadAsStringAsync();
            if (!answer.IsSuccessStatusCode || text.Contains("\"rejected\"", StringComparison.Ordinal))
            {
                throw new InvalidOperationException($"{kind}: {(int)answer.StatusCode} {text[..Math.Min(text.Length, 500)]}");
            }
        }
    }

    public void Dispose() => _http.Dispose();

    private static JsonObject Body(string kind, int i) => kind switch
    {
        "anpr" => new() { ["plate"] = $"B FW {i % 9973}", ["plateLikelihood"] = 0.97, ["country"] = "DE", ["lane"] = i % 3, ["direction"] = "in" },
        "alarms" => new() { ["alarmId"] = "alarm-motion", ["severity"] = "low", ["state"] = "new", ["text"] = $"Motion {i}" },
        _ => new() { ["transactionId"] = $"t-{i / 15}", ["seq"] = i % 15, ["line"] = $"Article {i % 997,-20} {i % 100}.{i % 10}0" },
    };

    private static HttpClient Client(RecorderProcess recorder)
    {
        var http = new HttpClient { BaseAddress = recorder.BaseUrl, Timeout = TimeSpan.FromMinutes(5) };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", recorder.Token);
        return http;
    }
}
