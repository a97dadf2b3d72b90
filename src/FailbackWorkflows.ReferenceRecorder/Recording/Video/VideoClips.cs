using System.Threading.Channels;
using FailbackWorkflows.Recorders.Recording;

namespace FailbackWorkflows.ReferenceRecorder.Recording.Video;

/// <summary>
/// The clips that video channels are recorded from. They are encoded beside the recording after the start, first one for all channels, then one with
/// its name for each of the first channels. Until there is a clip, or when there will be none, channels record synthetic segments,
/// labelled as such. Nothing that goes wrong here ever stops the recorder.
/// </summary>
internal sealed partial class VideoClips(IVideoEncoder? encoder, RecorderOptions options, ILogger<VideoClips> logger) : BackgroundService
{
    /// <summary>Channels that get a clip with their name in the picture. A clip is a tenth of a second of work and 100 kB of memory.</summary>
    public const int MostNamed = 16;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, VideoClip?> _named = [];
    private readonly Channel<string> _wanted = Channel.CreateUnbounded<string>();
    private readonly TaskCompletionSource _settled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private VideoClip? _plain;

    /// <summary>Ends when it is known whether there is a clip for all channels.</summary>
    public Task Settled => _settled.Task;

    /// <summary>The clip for a channel's next segment; null: synthetic. The same answer may be better a moment later.</summary>
    public VideoClip? Find(string channelId, ChannelKind kind)
    {
        if (encoder is null || kind != ChannelKind.Video)
        {
            return null;
        }

        lock (_lock)
        {
            if (_named.TryGetValue(channelId, out var clip))
            {
                return clip ?? _plain;
            }

            if (_named.Count < MostNamed)
            {
                _named.Add(channelId, null);
                _wanted.Writer.TryWrite(channelId);
            }

            return _plain;
        }
    }

    /// <summary>Where ffmpeg is, or null: nowhere, or not wanted.</summary>
    /// <param name="wish">The option <c>--ffmpeg</c>.</param>
    public static string? Locate(string? wish)
    {
        if (wish is not null)
        {
            return wish == RecorderOptions.NoFfmpeg ? null : wish;
        }

        var name = OperatingSystem.IsWindows() ? "ffmpeg.exe" : "ffmpeg";
        return (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(folder => Path.Combine(folder, name))
            .FirstOrDefault(File.Exists);
    }

    /// <summary>Encodes what is wanted until it is stopped, or ends early when there will be no clips.</summary>
    internal async Task EncodeAllAsync(CancellationToken cancellationToken)
    {
        if (encoder is null)
        {
            LogNone(options.Ffmpeg == RecorderOptions.NoFfmpeg ? "--ffmpeg none was given" : "ffmpeg was not found");
            _settled.TrySetResult();
            return;
        }

        var recipe = await FirstThatWorksAsync(encoder, cancellationToken).ConfigureAwait(false);
        _settled.TrySetResult();
        if (recipe is not { CanWrite: true })
        {
            return;
        }

        await foreach (var channelId in _wanted.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
        {
            try
            {
                var clip = await EncodeAsync(encoder, recipe, channelId, cancellationToken).ConfigureAwait(false);
                lock (_lock)
                {
                    _named[channelId] = clip;
                }
            }
            catch (Exception error) when (IsExpected(error))
            {
                LogNoName(channelId, error.Message);
            }
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // The host must not wait for a program of somebody else.
        await Task.Yield();
        try
        {
            await EncodeAllAsync(stoppingToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The recorder stops; clips are of no use any more.
        }
        catch (Exception error)
        {
            // An error that leaves a hosted service would stop the recorder.
            LogBroken(error);
        }
    }

    private async Task<VideoRecipe?> FirstThatWorksAsync(IVideoEncoder by, CancellationToken cancellationToken)
    {
        var reason = "";
        foreach (var recipe in VideoRecipe.All)
        {
            try
            {
                var clip = await EncodeAsync(by, recipe, null, cancellationToken).ConfigureAwait(false);
                lock (_lock)
                {
                    _plain = clip;
                }

                LogReady(recipe.Name);
                return recipe;
            }
            catch (Exception error) when (IsExpected(error))
            {
                reason = error.Message;
            }
        }

        LogNone(reason);
        return null;
    }

    private async Task<VideoClip> EncodeAsync(IVideoEncoder by, VideoRecipe recipe, string? text, CancellationToken cancellationToken) =>
        VideoClip.Parse(await by.EncodeAsync(recipe, text, cancellationToken).ConfigureAwait(false), FfmpegEncoder.FramesPerGroup(options.FrameInterval));

    private static bool IsExpected(Exception error) => error is VideoEncodingException or InvalidDataException or IOException;

    [LoggerMessage(Level = LogLevel.Information, Message = "Video channels record playable segments ({Recipe})")]
    private partial void LogReady(string recipe);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Video channels record synthetic segments that cannot be played, and are labelled so: {Reason}")]
    private partial void LogNone(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The video of channel {ChannelId} does not show its name: {Reason}")]
    private partial void LogNoName(string channelId, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "No more video clips are encoded; channels record on with what there is")]
    private partial void LogBroken(Exception error);
}
