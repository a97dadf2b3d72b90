using System.Net.Sockets;

namespace FailbackWorkflows.Testing.Processes;

/// <summary>Waits for a condition in another process. A timeout is missing evidence: the message carries what was seen last.</summary>
public static class Eventually
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(50);

    public static async Task<T> GetAsync<T>(string what, Func<Task<T>> look, Func<T, bool> holds, TimeSpan? patience = null)
    {
        var time = TimeProvider.System;
        var since = time.GetTimestamp();
        object? seen = null;
        using var ticks = new PeriodicTimer(LookAgain, time);
        do
        {
            try
            {
                var value = await look();
                if (holds(value))
                {
                    return value;
                }

                seen = value;
            }
            catch (Exception error) when (error is HttpRequestException or IOException or SocketException or TaskCanceledException)
            {
                // The process is (still) away; that it stays away is what the timeout is for.
                seen = error.Message;
            }
        }
        while (time.GetElapsedTime(since) < (patience ?? Patience) && await ticks.WaitForNextTickAsync());
        throw new TimeoutException($"Waited in vain: {what}. Seen last: {seen}");
    }

    public static Task HoldsAsync(string what, Func<Task<bool>> look, TimeSpan? patience = null) => GetAsync(what, look, holds => holds, patience);
}
