using System.Diagnostics;

/// <summary>
/// Runs inside every program that a test starts, before its own <c>Main</c>: the program ends when its standard input does, which only
/// the test holds. So nothing is left running when a test run is killed.
/// </summary>
internal static class StartupHook
{
    public const string Marker = "FAILBACK_TEST_CHILD";

    public static void Initialize()
    {
        if (Environment.GetEnvironmentVariable(Marker) is null)
        {
            return;
        }

        new Thread(WaitForParent) { IsBackground = true, Name = "parent watch" }.Start();
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
