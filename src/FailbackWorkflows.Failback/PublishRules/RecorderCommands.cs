using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Failback.PublishRules;

/// <summary>Which activities command recorders, by what they are made of: an activity without a client of recorders cannot.</summary>
internal static class RecorderCommands
{
    /// <summary>Have a client, but only to look before something is decided. What they change (a fence that is raised, a role that is confirmed) is part of looking safely.</summary>
    private static readonly HashSet<string> OnlyLook =
    [
        "Failback.CheckFailoverServerActing",
        "Failback.CheckFailedServerBroken",
        "Failback.CheckFailover",
        "Failback.CheckAdoption",
        "Failback.CheckSettingsRollback",
        "Failback.GetRecorderSettings",
        "Failback.RecheckBeforeSwitch",
        "Failback.LookWhoAnswers",
        "Failback.ConfirmSettingsInForce",
        "Failback.KeepCoverageReport",
    ];

    public static bool Commands(ActivityDescriptor descriptor) =>
        descriptor.ActivityType is { } type
        && !OnlyLook.Contains(descriptor.Type)
        && type.GetConstructors().SelectMany(c => c.GetParameters()).Any(p => p.ParameterType == typeof(IRecorderClient) || p.ParameterType == typeof(IMaterialCopyClient));

    /// <summary>Whether the activity, or one inside it, commands a recorder.</summary>
    public static bool Reaches(ActivityNode node) => Commands(node.Descriptor) || node.Children.Any(Reaches);

    /// <summary>Whether the activity, or one inside it, undoes.</summary>
    public static bool Undoes(ActivityNode node) => node.Descriptor.Type is "Failback.UndoFailback" or "Failback.BeginUndo" or "Failback.RollBackSettings" or "Failback.UndoSettingsRollback" || node.Children.Any(Undoes);
}
