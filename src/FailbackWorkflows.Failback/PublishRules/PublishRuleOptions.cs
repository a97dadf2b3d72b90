namespace FailbackWorkflows.Failback.PublishRules;

/// <summary>What a broken rule means when a workflow is published.</summary>
public enum RuleWeight
{
    /// <summary>Nothing is said.</summary>
    Off,

    /// <summary>It is told, and the workflow is published.</summary>
    Warning,

    /// <summary>The workflow is not published.</summary>
    Error,
}

/// <summary>How much each rule about workflows weighs. Default of all: <see cref="RuleWeight.Error"/>.</summary>
public sealed class PublishRuleOptions
{
    /// <summary>What commands recorders must begin with the activity by which its claim is taken.</summary>
    public RuleWeight Claim { get; set; } = RuleWeight.Error;

    /// <summary>A failback makes its five checks before it commands a recorder.</summary>
    public RuleWeight ChecksFirst { get; set; } = RuleWeight.Error;

    /// <summary>When the roles are restored, there is only a way forward.</summary>
    public RuleWeight OnlyForward { get; set; } = RuleWeight.Error;

    /// <summary>A check that the published version makes is taken out by an administrator only, with a reason.</summary>
    public RuleWeight RemovedCheck { get; set; } = RuleWeight.Error;
}
