using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Testing.Persistence;
using Microsoft.Extensions.DependencyInjection;

namespace FailbackWorkflows.Benchmarks.Serving;

/// <summary>What the designer asks the server most often, over HTTP, from a library and a journal that have grown.</summary>
internal static class StudioApi
{
    private const double MostMilliseconds = 50;
    private const int WarmUps = 20;
    private const string Run = "benchmark-run";
    private static readonly string[] Nodes = ["flow:a", "flow:b", "flow:c", "flow:d"];

    public static async Task<int> RunAsync(Options options)
    {
        var definitions = options.Number("definitions", 200);
        var events = options.Number("events", 50_000);
        var rounds = options.Number("rounds", 300);
        var database = options.Text("database", "sqlite");
        var connectionString = database == "postgres" ? await PostgresDatabases.TakeUnmigratedAsync() : null;
        await using (var site = await ServedSite.StartAsync(connectionString))
        {
            await LoadDefinitionsAsync(site.Services.GetRequiredService<WorkflowEditing>(), definitions);
            await LoadRunAsync(site.Services.GetRequiredService<IWorkflowStore>(), events);
            Console.WriteLine(FormattableString.Invariant(
                $"studio-api: {definitions:N0} more definitions and a run of {events:N0} events in {database}, each request {rounds} times over HTTP, one after the other; target p99 {MostMilliseconds:N0} ms"));
            using var client = site.Administrator();
            var isMet = await MeasureAsync("list of definitions", rounds, _ => client.GetAsync("elsa/api/workflow-definitions?versionOptions=Latest&Page=0&PageSize=10&SearchTerm=&IsSystem=False&OrderDirection=Ascending"));
            isMet &= await MeasureAsync("descriptors of activities", rounds, _ => client.GetAsync("elsa/api/descriptors/activities?Refresh=True"));
            isMet &= await MeasureAsync("journal, any page", rounds, round => client.PostAsync(Journal(round * 7919 % events), Body("""{ "filter": { "activityIds": null, "activityNodeIds": null, "excludedActivityTypes": ["Elsa.Workflow", "Elsa.Flowchart"], "eventNames": null } }""")));
            isMet &= await MeasureAsync("journal, of one activity", rounds, round => client.PostAsync(Journal(round * 127 % (events / 8)), Body("""{ "filter": { "activityNodeIds": ["Workflow1:flow:b"] } }""")));
            isMet &= await MeasureAsync("badges of the diagram", rounds, _ => client.PostAsync("elsa/api/activity-executions/report", Body($$"""{ "workflowInstanceId": "{{Run}}", "activityNodeIds": [{{string.Join(',', Nodes.Select(n => $"\"Workflow1:{n}\""))}}] }""")));
            Console.WriteLine($"studio-api: {Figures.Verdict(isMet)}");
        }

        if (connectionString is not null)
        {
            await PostgresDatabases.DropAsync(connectionString);
        }

        return 0;
    }

    private static string Journal(int skip) => string.Create(CultureInfo.InvariantCulture, $"elsa/api/workflow-instances/{Run}/journal?skip={skip}&take=111");

    private static StringContent Body(string json) => new(json, Encoding.UTF8, "application/json");

    private static async Task<bool> MeasureAsync(string what, int rounds, Func<int, Task<HttpResponseMessage>> ask)
    {
        var times = new List<double>();
        var bytes = 0;
        for (var round = -WarmUps; round < rounds; round++)
        {
            var begun = Stopwatch.GetTimestamp();
            using var answer = await ask(Math.Abs(round));
            bytes = (await answer.EnsureSuccessStatusCode().Content.ReadAsByteArrayAsync()).Length;
            if (round >= 0)
            {
                times.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
            }
        }

        var isMet = times.At(0.99) <= MostMilliseconds;
        Console.WriteLine(FormattableString.Invariant($"  {what,-28} median {times.Median(),6:N1} ms   p99 {times.At(0.99),6:N1} ms: {Figures.Verdict(isMet)}   ({bytes / 1024.0,6:N1} KiB)"));
        return isMet;
    }

    private static async Task LoadDefinitionsAsync(WorkflowEditing editing, int count)
    {
        for (var number = 1; number <= count; number++)
        {
            await editing.SaveAsync(new SaveDefinition(null, Model($"Benchmark {number:D4}"), null, Actor.System), CancellationToken.None);
        }

        await editing.SaveAndPublishAsync(new SaveDefinition("benchmark-loop", Model("Benchmark loop"), null, Actor.System), new PublishDefinition(Actor.System, "benchmark", true), CancellationToken.None);
    }

    private static JsonObject Model(string name) => new()
    {
        ["name"] = name,
        ["root"] = new JsonObject
        {
            ["id"] = "flow",
            ["type"] = "Elsa.Flowchart",
            ["version"] = 1,
            ["activities"] = new JsonArray([.. Nodes.Select(n => (JsonNode)new JsonObject { ["id"] = n[^1..], ["name"] = n[^1..], ["type"] = "Elsa.WriteLine", ["version"] = 1, ["text"] = new JsonObject { ["typeName"] = "String", ["expression"] = new JsonObject { ["type"] = "Literal", ["value"] = "a line of the benchmark" } } })]),
            ["connections"] = new JsonArray(),
        },
    };

    /// <summary>A run that has gone round for long: four activities, again and again.</summary>
    private static async Task LoadRunAsync(IWorkflowStore store, int events)
    {
        const int AtOnce = 1000;
        // By the node's own clock: a lease that ran out would be taken up by its dispatcher.
        var at = TimeProvider.System.GetUtcNow();
        var lease = new Lease(Run, "benchmark", 1, at.AddHours(1), 0);
        var written = 0;
        while (written < events)
        {
            var page = Enumerable.Range(written + 1, Math.Min(AtOnce, events - written)).Select(sequence => EventOf(sequence, at)).ToList();
            written += page.Count;
            await store.CommitAsync(
                new StepCommit
                {
                    Lease = lease,
                    IsStart = written == page.Count,
                    Events = page,
                    At = at,
                    LeaseUntil = lease.Until,
                    Releases = written >= events,
                    Instance = new StoredInstance
                    {
                        Id = Run,
                        DefinitionId = "benchmark-loop",
                        DefinitionVersionId = "benchmark-loop:1",
                        DefinitionVersion = 1,
                        Name = "Benchmark loop",
                        Status = written >= events ? WorkflowStatus.Finished : WorkflowStatus.Running,
                        SubStatus = written >= events ? WorkflowSubStatus.Finished : WorkflowSubStatus.Executing,
                        IncidentCount = 0,
                        CreatedAt = at,
                        UpdatedAt = at,
                        FinishedAt = written >= events ? at : null,
                        LastSequence = written,
                        Snapshot = "{}",
                    },
                },
                CancellationToken.None);
        }
    }

    private static JournalEvent EventOf(int sequence, DateTimeOffset at)
    {
        if (sequence == 1)
        {
            return new InstanceStarted
            {
                Sequence = 1,
                At = at,
                IsFact = true,
                DefinitionId = "benchmark-loop",
                DefinitionVersionId = "benchmark-loop:1",
                DefinitionSha256 = "",
                Input = new Dictionary<string, object?>(),
                Actor = Actor.System,
            };
        }

        var execution = ((sequence - 2) / 2) + 1;
        var (id, node) = (execution.ToString(CultureInfo.InvariantCulture), Nodes[execution % Nodes.Length]);
        return sequence % 2 == 0
            ? new ActivityStarted { Sequence = sequence, At = at, ExecutionId = id, NodeId = node, ActivityType = "Elsa.WriteLine", Inputs = new Dictionary<string, object?> { ["text"] = "a line of the benchmark" } }
            : new ActivityCompleted { Sequence = sequence, At = at, IsFact = true, ExecutionId = id, NodeId = node, Outcomes = ["Done"] };
    }
}
