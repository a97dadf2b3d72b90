using FailbackWorkflows.Benchmarks;

// One command per benchmark; each prints what it measured and how.
return args switch
{
    ["engine-memory", .. var rest] => await EngineMemory.RunAsync(Options.Read(rest)),
    ["engine-durable", .. var rest] => await EngineDurable.RunAsync(Options.Read(rest)),
    ["failback-overhead", .. var rest] => await FailbackOverhead.RunAsync(Options.Read(rest)),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("""
        Usage: dotnet run -c Release --project tests/FailbackWorkflows.Benchmarks -- COMMAND [OPTIONS]

          engine-memory [--rounds N] [--runs N]
              Flowchart of 11 trivial code activities on one core, without a journal and with the journal kept in memory.

          engine-durable [--database sqlite] [--seconds N]
              The same flowchart with every step committed to a database, 1 and 8 at a time.

          failback-overhead [--runs N] [--folder DIR]
              A failback against recorders that answer at once, minus the time of the bare calls.
        """);
    return 2;
}
