using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;

namespace FailbackWorkflows.Engine.BuiltIn;

/// <summary>The activities every definition can use, under Elsa's type names so that definitions travel.</summary>
internal static class BuiltInActivities
{
    public static void AddTo(ActivityCatalog catalog)
    {
        catalog.AddContainer(Container("Elsa.Flowchart", "Flowchart", ActivityShape.Flowchart));
        catalog.AddContainer(Container("Elsa.Sequence", "Sequence", ActivityShape.Sequence));
        catalog.AddContainer(Container("Elsa.If", "If", ActivityShape.If) with
        {
            Inputs = [new("condition", typeof(bool), true, null, "Condition", "Which way to go.", "singleline")],
        });
        catalog.Add<Start>();
        catalog.Add<End>();
        catalog.Add<Complete>();
        catalog.Add<Finish>();
        catalog.Add<FlowDecision>();
        catalog.AddFlowSwitch();
        catalog.Add<SetVariable>();
        catalog.Add<SetOutput>();
        catalog.Add<WriteLine>();
        catalog.Add<Delay>();
        catalog.Add<Event>();
        catalog.Add<Fault>();
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
            new("cases", typeof(FlowSwitchBranches), false, null, "Cases", "Labels and conditions.", "flow-switch-editor"),
            new("mode", typeof(string), false, "MatchFirst", "Mode", "MatchFirst or MatchAny.", "dropdown"),
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
