using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Engine.Values;

namespace FailbackWorkflows.Engine.Activities;

/// <summary>
/// What an activity has to say when its attempt is over: either it completed, by outcomes, or it waits. Everything in it is written by the
/// store in the step's one transaction; the activity itself saves nothing.
/// </summary>
public sealed class ActivityResult
{
    private static readonly string[] Done = ["Done"];

    private Dictionary<string, object?>? _outputs;
    private Dictionary<string, object?>? _variables;
    private Dictionary<string, object?>? _workflowOutputs;
    private List<IDomainChange>? _changes;
    private List<string>? _notes;
    private List<PortEntered>? _ports;
    private List<Stimulus>? _stimuli;

    private ActivityResult(IReadOnlyList<string>? outcomes, IReadOnlyList<BookmarkRequest>? bookmarks)
    {
        Outcomes = outcomes;
        Bookmarks = bookmarks;
    }

    internal IReadOnlyList<string>? Outcomes { get; }

    internal IReadOnlyList<BookmarkRequest>? Bookmarks { get; }

    internal object? Progress { get; private init; }

    internal IReadOnlyDictionary<string, object?>? Outputs => _outputs;

    internal IReadOnlyDictionary<string, object?>? Variables => _variables;

    internal IReadOnlyDictionary<string, object?>? WorkflowOutputs => _workflowOutputs;

    internal IReadOnlyList<IDomainChange> Changes => _changes is null ? [] : _changes;

    internal IReadOnlyList<string>? Notes => _notes;

    internal CancellationMode? Cancellation { get; private set; }

    internal Ending Ends { get; private set; }

    internal IReadOnlyList<PortEntered>? Ports => _ports;

    internal IReadOnlyList<Stimulus>? Stimuli => _stimuli;

    internal string? InstanceName { get; private set; }

    internal string? CorrelationId { get; private set; }

    /// <summary>Completed; the run goes on along these ports, <c>Done</c> when none is named.</summary>
    public static ActivityResult Completed(params string[] outcomes) => new(outcomes.Length == 0 ? Done : outcomes, null);

    /// <summary>Waits for the first of the bookmarks. <paramref name="progress"/> is found again in <see cref="ActivityExecutionContext.Progress"/> when it runs again.</summary>
    public static ActivityResult Suspended(object? progress, params BookmarkRequest[] bookmarks) => bookmarks.Length == 0
        ? throw new ArgumentException("A suspended activity needs something that can wake it.", nameof(bookmarks))
        : new(null, bookmarks) { Progress = PlainValue.From(progress) };

    /// <summary>Waits until then and runs again, with the same idempotency keys.</summary>
    public static ActivityResult RunAgainAt(DateTimeOffset dueAt, object? progress = null) => Suspended(progress, new BookmarkRequest("Wait", null, dueAt, RunsAgain: true));

    public ActivityResult With<T>(Output<T>? output, T value)
    {
        if (output is not null)
        {
            (_outputs ??= new(StringComparer.Ordinal))[output.Name] = PlainValue.From(value);
        }

        return this;
    }

    /// <summary>Sets a variable visible from the activity, by name.</summary>
    public ActivityResult WithVariable(string name, object? value)
    {
        (_variables ??= new(StringComparer.Ordinal))[name] = PlainValue.From(value);
        return this;
    }

    /// <summary>Sets an output of the workflow.</summary>
    public ActivityResult WithWorkflowOutput(string name, object? value)
    {
        (_workflowOutputs ??= new(StringComparer.Ordinal))[name] = PlainValue.From(value);
        return this;
    }

    /// <summary>Changes of the host's data, made in the transaction of this step.</summary>
    public ActivityResult WithChanges(params IEnumerable<IDomainChange> changes)
    {
        (_changes ??= []).AddRange(changes);
        return this;
    }

    /// <summary>A sentence for whoever reads the run, kept in its journal with this step, also while the activity waits. It decides nothing.</summary>
    public ActivityResult WithNote(string note)
    {
        (_notes ??= []).Add(note);
        return this;
    }

    /// <summary>From this step on, a request to cancel the instance does this.</summary>
    public ActivityResult WithCancellation(CancellationMode mode)
    {
        Cancellation = mode;
        return this;
    }

    /// <summary>
    /// Has the activity in a port run, if the definition has one there, with variables that only it sees. This activity is completed after it,
    /// or goes on waiting beside it. Naming a port twice runs its activity twice.
    /// </summary>
    public ActivityResult InPort(string port, IReadOnlyDictionary<string, object?>? variables = null)
    {
        (_ports ??= []).Add(new(port, variables is null ? null : (IReadOnlyDictionary<string, object?>?)PlainValue.From(variables)));
        return this;
    }

    /// <summary>Tells whoever waits for it, in the transaction of this step: once, whatever happens to this node.</summary>
    public ActivityResult WithStimulus(Stimulus stimulus)
    {
        (_stimuli ??= []).Add(stimulus with { Payload = PlainValue.From(stimulus.Payload) });
        return this;
    }

    /// <summary>Names the instance; 1 to 200 characters.</summary>
    public ActivityResult NamingInstance(string name)
    {
        InstanceName = name;
        return this;
    }

    /// <summary>Gives the instance a correlation id; 1 to 200 characters.</summary>
    public ActivityResult Correlating(string correlationId)
    {
        CorrelationId = correlationId;
        return this;
    }

    /// <summary>Ends the nearest enclosing loop.</summary>
    public ActivityResult EndingLoop()
    {
        Ends = Ending.Loop;
        return this;
    }

    /// <summary>Ends the enclosing flowchart with this activity's outcomes.</summary>
    public ActivityResult EndingContainer()
    {
        Ends = Ending.Container;
        return this;
    }

    /// <summary>Ends the whole instance.</summary>
    public ActivityResult EndingWorkflow()
    {
        Ends = Ending.Workflow;
        return this;
    }
}

/// <summary>An activity gives up or asks for another attempt, with a kind to act on and a sentence to show.</summary>
public sealed class ActivityFaultException(string kind, string message, bool isTransient, Exception? innerException = null)
    : Exception(message, innerException)
{
    public string Kind { get; } = kind;

    public bool IsTransient { get; } = isTransient;
}
