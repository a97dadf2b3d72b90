using System.Security.Cryptography;
using System.Text;

namespace FailbackWorkflows.ReferenceRecorder.Recording;

/// <summary>
/// Sessions at cameras that allow one. Such a camera is a file in a folder that all recorders of the site share; a session is the lock on it, which
/// the system takes away from a process that dies. A camera that is taken is tried again after 250 ms, then after twice as long each time, at
/// most every 4 s. Used under the store's lock, but for <see cref="IsBusy"/>.
/// </summary>
internal sealed class CameraSessions(string? folder)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(4);

    private readonly Dictionary<(string Identity, string ChannelId), (string Camera, FileStream Session)> _open = [];
    private readonly Dictionary<(string Identity, string ChannelId), (TimeSpan Pause, DateTimeOffset NextAt)> _refused = [];
    private volatile HashSet<(string Identity, string ChannelId)> _busy = [];

    /// <summary>The channel's camera refused the last attempt.</summary>
    public bool IsBusy(string identity, string channelId) => _busy.Contains((identity, channelId));

    /// <summary>True when the channel has its camera, now or since before.</summary>
    public bool TryOpen(PlannedChannel plan, DateTimeOffset now)
    {
        var channel = (plan.Identity, plan.ChannelId);
        if (_open.TryGetValue(channel, out var open))
        {
            if (open.Camera == plan.Camera)
            {
                return true;
            }

            // Another camera was put in its place.
            open.Session.Dispose();
            _open.Remove(channel);
        }

        if (folder is null || plan.Camera is null)
        {
            return true;
        }

        var isKnown = _refused.TryGetValue(channel, out var refused);
        if (isKnown && now < refused.NextAt && refused.NextAt - now <= LongestPause)
        {
            return false;
        }

        try
        {
            Directory.CreateDirectory(folder);
            _open.Add(channel, (plan.Camera, new FileStream(Path.Combine(folder, FileOf(plan.Camera)), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0)));
        }
        catch (IOException)
        {
            var pause = isKnown ? TimeSpan.FromTicks(Math.Min(refused.Pause.Ticks * 2, LongestPause.Ticks)) : FirstPause;
            _refused[channel] = (pause, now + pause);
            Publish();
            return false;
        }

        if (_refused.Remove(channel))
        {
            Publish();
        }

        return true;
    }

    /// <summary>Gives all others back.</summary>
    /// <param name="isRecorded">Channels that are recorded.</param>
    /// <param name="isWanted">Channels that are to be: what was refused to the others is forgotten.</param>
    public void KeepOnly(Func<(string Identity, string ChannelId), bool> isRecorded, Func<(string Identity, string ChannelId), bool> isWanted)
    {
        foreach (var (channel, open) in _open.Where(s => !isRecorded(s.Key)).ToList())
        {
            open.Session.Dispose();
            _open.Remove(channel);
        }

        var forgotten = _refused.Keys.Where(c => !isWanted(c)).ToList();
        forgotten.ForEach(c => _refused.Remove(c));
        if (forgotten.Count > 0)
        {
            Publish();
        }
    }

    public void CloseAll() => KeepOnly(_ => false, _ => false);

    private static string FileOf(string camera) => $"{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(camera)))[..24]}.session";

    private void Publish() => _busy = [.. _refused.Keys];
}
