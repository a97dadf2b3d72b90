using System.Diagnostics;

/// <summary>
/// Runs inside every child process before its own <c>Main</c> (<c>DOTNET_STARTUP_HOOKS</c> names this assembly). The child's standard
/// input is a pipe whose other end only the demo holds: when the demo is gone, however it went, the pipe ends and so does the child.
/// The programs themselves need to know nothing of it.
/// </summary>
internal static class StartupHook
{
    public const string Marker = "FAILBACK_DEMO_CHILD";

    public static void Initialize()
    {
        if (Environment.GetEnvironmentVariable(Marker) is null)
        {
            return;
        }

        var watch = new Thread(WaitForParent) { IsBackground = true, Name = "parent watch" };
        watch.Start();
    }

    private static void WaitForParent()
    {
        using var input = Console.OpenStandardInput();
        var buffer = new byte[16];
        try
        {
            while (input.Read(buffer) > 0)
            {
            }
        }
        catch (IOException)
        {
            // A broken pipe says the same as an ended one.
        }

        Process.GetCurrentProcess().Kill();
    }
}
