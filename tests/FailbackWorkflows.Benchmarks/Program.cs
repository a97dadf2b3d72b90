using FailbackWorkflows.Benchmarks;
using FailbackWorkflows.Benchmarks.Copying;
using FailbackWorkflows.Benchmarks.Polling;

// One command per benchmark; each prints what it measured and how.
return args switch
{
    ["engine-memory", .. var rest] => await EngineMemory.RunAsync(Options.Read(rest)),
    ["engine-durable", .. var rest] => await EngineDurable.RunAsync(Options.Read(rest)),
    ["failback-overhead", .. var rest] => await FailbackOverhead.RunAsync(Options.Read(rest)),
    ["log-pages", .. var rest] => await LogPages.RunAsync(Options.Read(rest)),
    ["copy-large", .. var rest] => await CopySegments.LargeAsync(Options.Read(rest)),
    ["copy-small", .. var rest] => await CopySegments.SmallAsync(Options.Read(rest)),
    ["copy-records", .. var rest] => await CopyRecords.RunAsync(Options.Read(rest)),
    ["copy-resume", .. var rest] => await CopyResume.RunAsync(Options.Read(rest)),
    ["poll-scale", .. var rest] => await PollScale.RunAsync(Options.Read(rest)),
    ["poll-simulator", .. var rest] => await PollSimulator.RunAsync(Options.Read(rest)),
    ["reconnect", .. var rest] => await Reconnect.RunAsync(Options.Read(rest)),
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

          log-pages [--entries N]
              Pages of a failover log of 10,000 entries.

          poll-scale [--recorders N] [--interval SECONDS] [--seconds N] [--warm-up SECONDS]
              10,000 recorders in a process of their own polled by one management server every 5 s, for 10 minutes.

          reconnect [--rounds N] [--interval SECONDS] [--folder DIR]
              How soon a recorder that is back is being failed back by itself.

          copy-large [--beside rclone,rsync,curl] [--rounds N] [--tracks N] [--segments N] [--bytes N] [--folder DIR]
              Material copy of 64 tracks x 30 MB between two recorders, and other programs on the same files.

          copy-small [same options]
              64 tracks x 2,000 segments x 64 kB.

          copy-records [--records N] [--channels N] [--rounds N] [--folder DIR]
              1,000,000 records on 64 channels; memory on the way and peak memory.

          copy-resume [--kills N] [--tracks N] [--segments N] [--bytes N] [--folder DIR]
              16 tracks x 500 segments x 256 kB, left alone and with the target killed 5 times on the way: time and bytes a kill costs.
        """);
    return 2;
}
