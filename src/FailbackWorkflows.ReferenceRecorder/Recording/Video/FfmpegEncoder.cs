using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace FailbackWorkflows.ReferenceRecorder.Recording.Video;

/// <summary>How a clip is encoded.</summary>
/// <param name="Name">For the log.</param>
/// <param name="Codec">Arguments that choose and tune the codec.</param>
/// <param name="CanWrite">A text can be written into the picture.</param>
internal sealed record VideoRecipe(string Name, IReadOnlyList<string> Codec, bool CanWrite)
{
    private static readonly string[] H264 = ["-c:v", "libx264", "-profile:v", "baseline", "-preset", "veryfast", "-crf", "34", "-bf", "0", "-sc_threshold", "0"];
    private static readonly string[] Vp9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-lag-in-frames", "0", "-auto-alt-ref", "0", "-crf", "40", "-b:v", "0"];

    /// <summary>What browsers play, best first. An ffmpeg that lacks a codec or the text filter fails at once, and the next is tried.</summary>
    public static IReadOnlyList<VideoRecipe> All { get; } =
        [new("H.264 with text", H264, true), new("H.264", H264, false), new("VP9 with text", Vp9, true), new("VP9", Vp9, false)];
}

/// <summary>Encodes short clips.</summary>
internal interface IVideoEncoder
{
    /// <summary>A fragmented MP4 with one frame per fragment.</summary>
    /// <param name="text">What is written into the picture; letters, digits, '-', '_' and '.' only.</param>
    /// <exception cref="VideoEncodingException">There is no encoder, it failed, or it took too long; the sentence says which.</exception>
    Task<byte[]> EncodeAsync(VideoRecipe recipe, string? text, CancellationToken cancellationToken);
}

/// <summary>No clip could be encoded.</summary>
internal sealed class VideoEncodingException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Runs ffmpeg, one at a time: small pictures, one thread, at low priority, because recording and copying matter more.</summary>
internal sealed class FfmpegEncoder(string path, TimeSpan interval, TimeProvider time) : IVideoEncoder
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private const int MostBytes = 64 * 1024 * 1024;
    private const int MostErrorCharacters = 300;
    private const int Groups = 5;

    /// <summary>Frames from one that stands alone to the next: 2 s, at most 50.</summary>
    public static int FramesPerGroup(TimeSpan interval) => (int)Math.Clamp(TimeSpan.FromSeconds(2).Ticks / interval.Ticks, 1, 50);

    public async Task<byte[]> EncodeAsync(VideoRecipe recipe, string? text, CancellationToken cancellationToken)
    {
        using var process = new Process { StartInfo = Start(recipe, text) };
        using var patience = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        try
        {
            process.Start();
        }
        catch (Win32Exception error)
        {
            throw new VideoEncodingException($"{path} cannot be started: {error.Message}.", error);
        }

        try
        {
            LowerPriority(process);
            var errors = process.StandardError.ReadToEndAsync(either.Token);
            var clip = await ReadAsync(process.StandardOutput.BaseStream, either.Token).ConfigureAwait(false);
            await process.WaitForExitAsync(either.Token).ConfigureAwait(false);
            return process.ExitCode == 0
                ? clip
                : throw new VideoEncodingException($"{path} ended with {process.ExitCode}: {Shorten(await errors.ConfigureAwait(false))}");
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new VideoEncodingException($"{path} did not end within {Patience.TotalSeconds:0} s and was stopped.");
        }
        finally
        {
            End(process);
        }
    }

    private static async Task<byte[]> ReadAsync(Stream output, CancellationToken cancellationToken)
    {
        using var clip = new MemoryStream();
        var chunk = new byte[64 * 1024];
        int read;
        while ((read = await output.ReadAsync(chunk, cancellationToken).ConfigureAwait(false)) > 0)
        {
            clip.Write(chunk, 0, read);
            if (clip.Length > MostBytes)
            {
                throw new VideoEncodingException($"The clip is larger than {MostBytes} bytes.");
            }
        }

        return clip.ToArray();
    }

    private static void LowerPriority(Process process)
    {
        try
        {
            process.PriorityClass = ProcessPriorityClass.BelowNormal;
        }
        catch (Exception error) when (error is Win32Exception or InvalidOperationException)
        {
            // It has ended already, or may not be changed: then it runs as it is.
        }
    }

    private static void End(Process process)
    {
        try
        {
            process.Kill(entireProcessTree: true);
        }
        catch (Exception error) when (error is Win32Exception or InvalidOperationException or AggregateException)
        {
            // It has ended by itself.
        }
    }

    private static string Shorten(string text)
    {
        var line = text.ReplaceLineEndings(" ").Trim();
        return line.Length <= MostErrorCharacters ? line : line[..MostErrorCharacters];
    }

    private ProcessStartInfo Start(VideoRecipe recipe, string? text)
    {
        var group = FramesPerGroup(interval).ToString(CultureInfo.InvariantCulture);
        var frames = (FramesPerGroup(interval) * Groups).ToString(CultureInfo.InvariantCulture);
        var picture = $"testsrc2=size=320x180:rate={TimeSpan.TicksPerSecond}/{interval.Ticks}"
            + (recipe.CanWrite ? $",drawtext=text='{text ?? " "}':x=w-tw-10:y=10:fontsize=22:fontcolor=white:box=1:boxborderw=4:boxcolor=black@0.6" : "");
        return new ProcessStartInfo(path)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            ArgumentList =
            {
                "-hide_banner", "-loglevel", "error", "-nostdin", "-filter_threads", "1", "-f", "lavfi", "-i", picture, "-frames:v", frames,
                recipe.Codec, "-g", group, "-keyint_min", group, "-pix_fmt", "yuv420p", "-threads", "1", "-bitexact", "-video_track_timescale", "10000",
                "-movflags", "+frag_every_frame+empty_moov+default_base_moof", "-f", "mp4", "pipe:1",
            },
        };
    }
}

/// <summary>Lets a list be written among the arguments.</summary>
file static class Arguments
{
    public static void Add(this ICollection<string> arguments, IEnumerable<string> more)
    {
        foreach (var argument in more)
        {
            arguments.Add(argument);
        }
    }
}
