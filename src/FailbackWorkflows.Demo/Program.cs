using System.Buffers.Text;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace FailbackWorkflows.Demo;

/// <summary>The README's main command: a failback on real programs, from the failure to the failback OK.</summary>
internal static class Program
{
    private const int Programs = 4;

    public static async Task<int> Main(string[] args)
    {
        if (args.Contains("--help"))
        {
            Console.WriteLine(DemoOptions.Usage);
            return ExitCodes.Well;
        }

        using var ending = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        try
        {
            return await RunAsync(DemoOptions.Parse(args), TimeProvider.System, ending.Token);
        }
        catch (DemoRefusedException refused)
        {
            Terminal.Error(refused.Message);
            return refused.ExitCode;
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
            Terminal.Error("Ended before the story was told.");
            return ExitCodes.Failed;
        }

        void End(PosixSignalContext context)
        {
            context.Cancel = true;
            ending.Cancel();
        }
    }

    private static async Task<int> RunAsync(DemoOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        var terminal = new Terminal();
        var startedAt = time.GetUtcNow();
        using var folder = DemoFolder.Open(options.DataFolder);
        var state = Prepare(folder, options.Port);
        using var license = new DemoLicense(folder);
        await using var processes = new Processes(folder, state, license, terminal, time);
        var story = new Story(processes, folder, license, terminal, options.Automatic, time);
        var well = false;
        string? error = null;
        try
        {
            well = await story.TellAsync(cancellationToken);
        }
        catch (Exception broken) when (broken is StoryBrokenException or ChildEndedException or AnswerException or TimeoutException)
        {
            error = broken.Message;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            error = "Ended before the story was told.";
            throw;
        }
        finally
        {
            if (options.ReportFile is { } file)
            {
                var endedAt = time.GetUtcNow();
                new Report(well, error, startedAt, endedAt, (endedAt - startedAt).TotalMilliseconds, story.Round, processes.AddressOf(Processes.ManagementServer).ToString(), options.Automatic, story.Failover, story.Failback, story.Copy, story.Stages, story.Postconditions, processes.Restarted).Write(file);
            }
        }

        if (!well)
        {
            Terminal.Error(error ?? "Not everything holds.");
            foreach (var line in processes.LastLines())
            {
                Terminal.Error(line);
            }
        }

        if (!options.Once)
        {
            await StayAsync(processes, state, terminal, time, cancellationToken);
        }

        return well ? ExitCodes.Well : ExitCodes.Failed;
    }

    /// <summary>A new folder gets its ports and secrets; an old one keeps them, because the management server knows the recorders by their addresses.</summary>
    private static DemoState Prepare(DemoFolder folder, int? port)
    {
        if (folder.Load() is { } known)
        {
            return port is null || port == known.FirstPort
                ? known
                : throw new DemoRefusedException(ExitCodes.BadOptions, $"The folder {folder.Root} was made with --port {known.FirstPort}. Leave --port out, or give another folder with --data DIR.");
        }

        if (port is { } first && Enumerable.Range(first, Programs).Cast<int?>().FirstOrDefault(p => !Ports.IsFree(p!.Value)) is { } taken)
        {
            throw new DemoRefusedException(ExitCodes.PortTaken, $"Port {taken} is taken by another program, or may not be used. End that program, or give another port with --port N (the demo needs N to N+3).");
        }

        var state = new DemoState
        {
            FirstPort = port ?? Ports.FindFree(Programs),
            ApiKey = $"fbk_{Secret()}",
            Password = Secret(),
            Tokens = [.. Processes.RecorderNames.Select(_ => Secret())],
        };
        folder.Save(state);
        return state;
    }

    private static async Task StayAsync(Processes processes, DemoState state, Terminal terminal, TimeProvider time, CancellationToken cancellationToken)
    {
        terminal.Title("Look for yourself");
        terminal.Line($"{processes.AddressOf(Processes.ManagementServer)}   user admin   password {state.Password}");
        terminal.Line("Ctrl+C ends it.");
        try
        {
            while (true)
            {
                await Task.Delay(TimeSpan.FromSeconds(1), time, cancellationToken);
                await processes.KeepRunningAsync(cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            Console.WriteLine();
        }
    }

    private static string Secret() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(24));
}
