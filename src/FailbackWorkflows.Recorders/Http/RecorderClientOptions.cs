namespace FailbackWorkflows.Recorders.Http;

/// <summary>How patient and how trusting the recorder client is. Values out of range stop the host at start.</summary>
public sealed class RecorderClientOptions
{
    /// <summary>Longest time one call may take, from connecting to the last byte of the answer, a repeat included. Greater than 0 and at most 10 min. The default is 10 s.</summary>
    public TimeSpan CallTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Longest time to wait for a connection. Greater than 0 and at most <see cref="CallTimeout"/>. The default is 3 s.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>Largest answer accepted, in bytes. 1 KiB to 1 GiB. The default is 16 MiB.</summary>
    public long MaxAnswerBytes { get; set; } = 16 * 1024 * 1024;

    internal void Validate()
    {
        if (CallTimeout <= TimeSpan.Zero || CallTimeout > TimeSpan.FromMinutes(10))
        {
            throw new ArgumentOutOfRangeException(nameof(CallTimeout), CallTimeout, "RecorderClientOptions.CallTimeout must be greater than 0 and at most 10 minutes.");
        }

        if (ConnectTimeout <= TimeSpan.Zero || ConnectTimeout > CallTimeout)
        {
            throw new ArgumentOutOfRangeException(nameof(ConnectTimeout), ConnectTimeout, "RecorderClientOptions.ConnectTimeout must be greater than 0 and at most CallTimeout.");
        }

        if (MaxAnswerBytes is < 1024 or > 1024L * 1024 * 1024)
        {
            throw new ArgumentOutOfRangeException(nameof(MaxAnswerBytes), MaxAnswerBytes, "RecorderClientOptions.MaxAnswerBytes must be from 1 KiB to 1 GiB.");
        }
    }
}
