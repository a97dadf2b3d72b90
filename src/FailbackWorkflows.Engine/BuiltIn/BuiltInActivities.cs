using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;

namespace FailbackWorkflows.Engine.BuiltIn;

/// <summary>The activities every definition can use, under Elsa's type names so that definitions travel.</summary>
internal static class BuiltInActivities
{
    public static void AddTo(ActivityCatalog catalog)
    {
        // Those that hold a list are offered by Elsa's designer neither: it makes a flowchart where several activities are put into a port.
        catalog.AddContainer(Container("Elsa.Flowchart", "Flowchart", ActivityShape.Flowchart) with { IsContainer = true, IsBrowsable = false });
        catalog.AddContainer(Container("Elsa.Sequence", "Sequence", ActivityShape.Sequence) with { IsContainer = true, IsBrowsable = false });
        AddBranches(catalog);
        AddLoops(catalog);
        catalog.Add<Start>();
        catalog.Add<End>();
        catalog.Add<Complete>();
        catalog.Add<Finish>();
        catalog.Add<Break>();
        catalog.Add<FlowDecision>();
        catalog.AddFlowSwitch();
        catalog.Add<FlowFork>();
        catalog.Add<FlowJoin>();
        catalog.Add<SetVariable>();
        catalog.Add<SetOutput>();
        catalog.Add<SetName>();
        catalog.Add<Correlate>();
        catalog.Add<WriteLine>();
        catalog.Add<Delay>();
        catalog.Add<Timer>();
        catalog.Add<Cron>();
        catalog.Add<StartAt>();
        catalog.Add<Event>();
        catalog.Add<PublishEvent>();
        catalog.Add<RunTask>();
        catalog.Add<Fault>();
        catalog.Add<ExecuteWorkflow>(d => d with { CancelsChildren = true });
        catalog.Add<DispatchWorkflow>(d => d with { CancelsChildren = true });
        catalog.Add<BulkDispatchWorkflows>(d => d with { CancelsChildren = true });
        catalog.Add<SendHttpRequest>();
        catalog.Add<FlowSendHttpRequest>();
    }

    private static void AddBranches(ActivityCatalog catalog)
    {
        catalog.AddContainer(Container("Elsa.If", "If", ActivityShape.If) with
        {
            Category = "Branching",
            Description = "Runs one of two activities.",
            Inputs = [new("condition", typeof(bool), true, null, "Condition", "Which way to go.", "singleline")],
            EmbeddedPorts = [new("then", "Then", PortKind.Embedded), new("else", "Else", PortKind.Embedded)],
        });
        catalog.AddContainer(Container("Elsa.Switch", "Switch", ActivityShape.Switch) with
        {
            Category = "Branching",
            Description = "Runs the activity of the first case whose condition is true, or of every such case in mode MatchAny.",
            Inputs =
            [
                new("cases", typeof(FlowSwitchBranches), false, null, "Cases", "Labels, conditions and what to run.", "switch-editor") { IsWrapped = false },
                new("mode", typeof(string), false, "MatchFirst", "Mode", "Whether to stop at the first match.", "dropdown") { Options = ["MatchFirst", "MatchAny"] },
            ],
            EmbeddedPorts = [new("default", "Default", PortKind.Embedded)],
        });
        catalog.AddContainer(Container("Elsa.Fork", "Fork", ActivityShape.Fork) with
        {
            Category = "Branching",
            Description = "Runs several branches side by side and waits for all of them, or for the first.",
            Inputs = [new("joinMode", typeof(string), false, "WaitAll", "Join mode", "Whether to wait for all branches or for the first, which ends the others.", "dropdown") { IsWrapped = false, Options = ["WaitAll", "WaitAny"] }],
            IsBrowsable = false,
        });
        catalog.AddContainer(Container("Elsa.Parallel", "Parallel", ActivityShape.Parallel) with
        {
            Category = "Branching",
            Description = "Runs activities side by side and waits for all of them.",
            IsContainer = true,
            IsBrowsable = false,
        });
    }

    private static void AddLoops(ActivityCatalog catalog)
    {
        PortDescriptor[] body = [new(Interpretation.Containers.Body, "Body", PortKind.Embedded)];
        OutputDescriptor[] current = [new("currentValue", typeof(object), "Current value", "The value of the round.")];
        InputDescriptor items = new("items", typeof(object), true, null, "Items", "The list to go through.", "multi-text");
        catalog.AddContainer(Container("Elsa.For", "For", ActivityShape.For) with
        {
            Category = "Looping",
            Description = "Runs its body for each number from start to end.",
            Inputs =
            [
                new("start", typeof(long), false, 0L, "Start", "The first number.", "singleline"),
                new("end", typeof(long), false, 0L, "End", "The last number.", "singleline"),
                new("step", typeof(long), false, 1L, "Step", "What is added each time; below 0 it counts down.", "singleline"),
                new("outerBoundInclusive", typeof(bool), false, true, "Outer bound inclusive", "Whether the end itself is run.", "checkbox"),
            ],
            Outputs = current,
            EmbeddedPorts = body,
        });
        catalog.AddContainer(Container("Elsa.ForEach", "For each", ActivityShape.ForEach) with
        {
            Category = "Looping",
            Description = "Runs its body for each item, one after the other.",
            Inputs = [items],
            Outputs = current,
            EmbeddedPorts = body,
        });
        catalog.AddContainer(Container("Elsa.ParallelForEach", "Parallel for each", ActivityShape.ParallelForEach) with
        {
            Category = "Looping",
            Description = "Runs its body for each item, side by side.",
            Inputs = [items],
            EmbeddedPorts = body,
        });
        catalog.AddContainer(Container("Elsa.While", "While", ActivityShape.While) with
        {
            Category = "Looping",
            Description = "Runs its body as long as the condition is true.",
            Inputs = [new("condition", typeof(bool), true, null, "Condition", "Asked before each round.", "singleline")],
            EmbeddedPorts = body,
        });
    }

    private static void AddFlowSwitch(this ActivityCatalog catalog) => catalog.AddContainer(new ActivityDescriptor
    {
        Type = "Elsa.FlowSwitch",
        Version = 1,
        DisplayName = "Switch (flow)",
        Category = "Branching",
        Description = "Leaves by the label of the first case whose condition is true, or by every such label in mode MatchAny.",
        Shape = ActivityShape.Code,
        ActivityType = typeof(FlowSwitch),
        Rehearsal = RehearsalMode.Executes,
        Inputs =
        [
            new("cases", typeof(FlowSwitchBranches), false, null, "Cases", "Labels and conditions.", "flow-switch-editor") { IsWrapped = false },
            new("mode", typeof(string), false, "MatchFirst", "Mode", "Whether to stop at the first match.", "dropdown") { Options = ["MatchFirst", "MatchAny"] },
        ],
        Outputs = [],
        Outcomes = ["Default"],
        OutcomesFromInput = "cases",
        Retry = RetryPolicy.None,
    });

    private static ActivityDescriptor Container(string type, string name, ActivityShape shape) => new()
    {
        Type = type,
        Version = 1,
        DisplayName = name,
        Category = "Workflows",
        Shape = shape,
        Inputs = [],
        Outputs = [],
        Outcomes = ["Done"],
        Retry = RetryPolicy.None,
    };
}
