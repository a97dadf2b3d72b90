namespace FailbackWorkflows.Server.Hosting;

/// <summary>What the process ends with, so that whoever started it can tell the reasons apart.</summary>
public static class ExitCodes
{
    public const int Ended = 0;
    public const int Failed = 1;
    public const int BadSettings = 2;
    public const int PortTaken = 3;
    public const int DatabaseInUse = 4;
}

/// <summary>The server cannot start; the message is a sentence for whoever started it.</summary>
public sealed class StartRefusedException(int exitCode, string message, Exception? innerException = null) : Exception(message, innerException)
{
    public int ExitCode { get; } = exitCode;
}
