using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Testing.Failback;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>A site where <see cref="Lost"/> is taken over by itself by a server of its group.</summary>
internal static class AutomaticFailoverPlay
{
    /// <summary>Records its own duty until a test lets it die.</summary>
    public const string Lost = FailbackWorld.Spare;

    /// <summary>Of the group, with nothing but its own duty.</summary>
    public const string Standby = "rec-4";

    /// <summary>Of the group too. Has the duty of <see cref="FailbackWorld.Failed"/> and owes its material.</summary>
    public const string Indebted = FailbackWorld.Failover;

    public const string Group = "hall";

    /// <param name="standby">A server without debt is there too.</param>
    public static async Task<FakeRecorder> ArrangeAsync(FailbackWorld world, bool standby = true, bool isPolled = true)
    {
        await world.ChangeServerAsync(Lost, server => server with { FailoverGroup = Group, IsAutomaticFailoverEnabled = true });
        await world.ChangeServerAsync(Indebted, server => server with { FailoverGroup = Group, MostDutiesOfOthers = 2 });
        if (standby)
        {
            await world.AddServerAsync(Standby, Group);
        }

        if (isPolled)
        {
            await MissAsync(world, 1);
            await world.NewestNode.Get<RefreshSettings>().ExecuteAsync(default);
        }

        return world.Recorders[Lost];
    }

    /// <summary>Polls everybody so often.</summary>
    public static async Task MissAsync(FailbackWorld world, int polls)
    {
        for (var i = 0; i < polls; i++)
        {
            await world.NewestNode.Get<PollRecorders>().ExecuteAsync(default);
        }
    }

    public static Task<AutomaticFailoverState?> StateAsync(FailbackWorld world, string identity = Lost) => world.Get<IAutomaticFailovers>().FindAsync(identity, default);

    /// <summary>The newest automatic run, once it has ended.</summary>
    public static async Task<EndedRun> LastRunAsync(FailbackWorld world, string identity = Lost) =>
        await world.EndAsync((await StateAsync(world, identity))?.LastRunId ?? throw new InvalidOperationException($"The duty of {identity} was not taken over by itself."));
}
