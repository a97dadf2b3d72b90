using System.Diagnostics;
using FailbackWorkflows.Testing.Processes;

namespace FailbackWorkflows.Benchmarks.Copying;

/// <summary>What another program took for the same files: the bare copy, and with flush and comparison.</summary>
internal sealed record OtherCost((TimeSpan Wall, TimeSpan Processor) Copy, (TimeSpan Wall, TimeSpan Processor) Whole);

/// <summary>Other programs that copy files, as far as they are installed; each does its best with 8 transfers at once.</summary>
internal static class OtherCopiers
{
    public static Task<OtherCost> RunAsync(string name, string from, string to) => name switch
    {
        "rclone" => RcloneAsync(from, to),
        "rsync" => RsyncAsync(from, to),
        "curl" => CurlAsync(from, to),
        _ => throw new ArgumentException($"'{name}' is not one of rclone, rsync, curl."),
    };

    private static async Task<OtherCost> RcloneAsync(string from, string to)
    {
        await using var server = await HttpServerAsync(from);
        var remote = $"--config /dev/null --http-url http://127.0.0.1:{server.Port} :http:";
        var before = ProcessCost.ProcessorTime(server.Id);
        var copy = await ProcessCost.RunAsync($"rclone copy --transfers 8 --checkers 8 {remote} '{to}'");
        var copied = ProcessCost.ProcessorTime(server.Id);
        var flush = await ProcessCost.RunAsync($"sync -f '{to}'");
        var check = await ProcessCost.RunAsync($"rclone check --download --transfers 8 --checkers 8 {remote} '{to}'");
        var served = ProcessCost.ProcessorTime(server.Id);
        return Cost(to, (copy.Wall, copy.Processor + copied - before), (flush.Wall + check.Wall, flush.Processor + check.Processor + served - copied));
    }

    private static async Task<OtherCost> RsyncAsync(string from, string to)
    {
        // No network and no server: the kindest case for it. The check reads both sides again.
        var copy = await ProcessCost.RunAsync($"rsync -a --whole-file '{from}/' '{to}/'");
        var flush = await ProcessCost.RunAsync($"sync -f '{to}'");
        var check = await ProcessCost.RunAsync($"test -z \"$(rsync -a --checksum --dry-run --itemize-changes '{from}/' '{to}/')\"");
        return Cost(to, copy, (flush.Wall + check.Wall, flush.Processor + check.Processor));
    }

    private static async Task<OtherCost> CurlAsync(string from, string to)
    {
        await using var server = await HttpServerAsync(from);
        Directory.CreateDirectory(to);
        var list = Path.Combine(to, ".list");
        await File.WriteAllLinesAsync(list, Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories).SelectMany(f => new[]
        {
            $"url = \"http://127.0.0.1:{server.Port}/{Path.GetRelativePath(from, f)}\"",
            $"output = \"{Path.Combine(to, Path.GetRelativePath(from, f))}\"",
        }));
        var before = ProcessCost.ProcessorTime(server.Id);
        var copy = await ProcessCost.RunAsync($"curl --silent --fail --create-dirs --parallel --parallel-max 8 --config '{list}'");
        var served = ProcessCost.ProcessorTime(server.Id);
        File.Delete(list);
        var flush = await ProcessCost.RunAsync($"sync -f '{to}'");
        var check = await ProcessCost.RunAsync($"diff -rq '{from}' '{to}'");
        return Cost(to, (copy.Wall, copy.Processor + served - before), (flush.Wall + check.Wall, flush.Processor + check.Processor));
    }

    private static OtherCost Cost(string to, (TimeSpan Wall, TimeSpan Processor) copy, (TimeSpan Wall, TimeSpan Processor) rest)
    {
        Directory.Delete(to, recursive: true);
        return new OtherCost(copy, (copy.Wall + rest.Wall, copy.Processor + rest.Processor));
    }

    /// <summary>Serves the files by rclone's own HTTP server: a compiled one, which does nothing else.</summary>
    private static async Task<FileServer> HttpServerAsync(string folder)
    {
        var port = FreePort.Next();
        var start = new ProcessStartInfo("rclone") { RedirectStandardError = true };
        foreach (var argument in new[] { "serve", "http", "--config", "/dev/null", "--addr", $"127.0.0.1:{port}", "--read-only", "--no-modtime", folder })
        {
            start.ArgumentList.Add(argument);
        }

        var server = new FileServer(Process.Start(start) ?? throw new InvalidOperationException("rclone could not be started; install it to compare with it."), port);
        using var http = new HttpClient();
        await Eventually.HoldsAsync("rclone serves", async () => (await http.GetAsync($"http://127.0.0.1:{port}/")).IsSuccessStatusCode);
        return server;
    }

    private sealed class FileServer(Process process, int port) : IAsyncDisposable
    {
        public int Id => process.Id;

        public int Port => port;

        public async ValueTask DisposeAsync()
        {
            process.Kill();
            await process.WaitForExitAsync();
            process.Dispose();
        }
    }
}
