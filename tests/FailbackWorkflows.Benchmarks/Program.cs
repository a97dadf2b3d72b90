using FailbackWorkflows.Benchmarks;
using FailbackWorkflows.Benchmarks.Copying;
using FailbackWorkflows.Benchmarks.Durable;
using FailbackWorkflows.Benchmarks.Evidence;
using FailbackWorkflows.Benchmarks.Polling;
using FailbackWorkflows.Benchmarks.Serving;

// One command per benchmark; each prints what it measured and how.
return args switch
{
    ["engine-memory", .. var rest] => await EngineMemory.RunAsync(Options.Read(rest)),
    ["engine-durable", .. var rest] => await EngineDurable.RunAsync(Options.Read(rest)),
    ["verify", .. var rest] => await Verify.RunAsync(Options.Read(rest)),
    ["evidence", .. var rest] => await MakeEvidence.RunAsync(Options.Read(rest)),
    ["replay", .. var rest] => await PlayRun.RunAsync(Options.Read(rest)),
    ["resume", .. var rest] => await Resume.RunAsync(Options.Read(rest)),
    ["dispatch", .. var rest] => await Dispatch.RunAsync(Options.Read(rest)),
    ["burst-1000", .. var rest] => await Burst.RunAsync(Options.Read(rest)),
    ["log-paging", .. var rest] => await LogPaging.RunAsync(Options.Read(rest)),
    ["failback-overhead", .. var rest] => await FailbackOverhead.RunAsync(Options.Read(rest)),
    ["log-pages", .. var rest] => await LogPages.RunAsync(Options.Read(rest)),
    ["pages", .. var rest] => await ServersCollector.RunAsync(args, () => ServedPages.RunAsync(Options.Read(rest))),
    ["studio-api", .. var rest] => await ServersCollector.RunAsync(args, () => StudioApi.RunAsync(Options.Read(rest))),
    ["sse", .. var rest] => await ServersCollector.RunAsync(args, () => ChangeClients.RunAsync(Options.Read(rest))),
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

        Those with PostgreSQL start a server of their own for the time they take, unless FAILBACK_TEST_POSTGRES names another.

          engine-memory [--rounds N] [--runs N]
              Flowchart of 11 trivial code activities on one core, without a journal and with the journal kept in memory.

          engine-durable [--database sqlite|postgres] [--seconds N] [--rounds N] [--at-a-time N,N] [--chain on|off|both]
              The same flowchart with every step committed to a database and synced to disk, 1 and 8 at a time; with PostgreSQL also 16. With both, rounds with and
              without chained events take turns.

          verify [--database sqlite|postgres] [--events N] [--rounds N]
              A history of 1,000,000 events verified against its checkpoints, on one core.

          evidence [--events N] [--rounds N]
              An evidence pack with 10,000 events: made, and verified by its own script.

          replay [--events N] [--rounds N]
              A run of 100,000 events opened to be played, and any of its events shown.

          resume [--database postgres|sqlite] [--seconds N] [--rounds N] [--at-a-time N,N]
              A workflow that waits, is resumed, and waits again.

          dispatch [--database postgres|sqlite] [--wake-ups N] [--rounds N]
              From the moment a wake-up is durable until the first step of the instance is.

          burst-1000 [--database postgres|sqlite] [--starts N] [--rounds N]
              1,000 starts at once on one node, until all have ended; none lost, none twice.

          log-paging [--entries N] [--events N] [--pages N]
              Any page of a failover log of 1,000,000 entries and of 10,000,000 journal events in PostgreSQL; loads them first, some minutes and 6 GB.

          failback-overhead [--runs N] [--folder DIR]
              A failback against recorders that answer at once, minus the time of the bare calls.

          log-pages [--entries N]
              Pages of a failover log of 10,000 entries.

          pages [--entries N] [--rounds N] [--page PART]
              Every page of the operator UI as a signed-in person gets it, with 1,000,000 log entries in PostgreSQL.

          studio-api [--definitions N] [--events N] [--rounds N] [--database sqlite|postgres]
              What the designer asks most: the list of definitions, the descriptors of all activities, and pages of the journal of a run of 50,000 events.

          sse [--clients N] [--rounds N]
              500 clients of the change feed; how soon each sees a change.

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
