namespace FailbackWorkflows.Engine;

/// <summary>Kinds of actors that can make a workflow start, go on or end.</summary>
public enum ActorKind
{
    User,
    ApiKey,
    Schedule,
    RecorderSignal,
    System,
}

/// <summary>Who did something; kept with every event that a person, a machine or a schedule caused.</summary>
/// <param name="Id">Stable id of the user or key, or the name of the schedule or system part.</param>
/// <param name="Name">What a page shows.</param>
/// <param name="Address">Network address the request came from, when there was one.</param>
public sealed record Actor(ActorKind Kind, string Id, string Name, string? Address = null)
{
    /// <summary>The management server itself.</summary>
    public static Actor System { get; } = new(ActorKind.System, "system", "System");
}
