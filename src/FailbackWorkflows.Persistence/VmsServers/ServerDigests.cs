using FailbackWorkflows.Failback.VmsServers;
using Microsoft.EntityFrameworkCore;

namespace FailbackWorkflows.Persistence.VmsServers;

/// <summary>
/// Puts right what rows say of the traits of their servers where a version that did not know the column, or made another text of the traits, has written them: before an upgrade, or by a
/// management server that was upgraded later than the others.
/// </summary>
public sealed class ServerDigests(IDatabase database)
{
    /// <summary>Called at each start; twice does no harm. Nothing else of a row changes, nor its revision. How many were not right.</summary>
    public async Task<int> RefreshAsync(CancellationToken cancellationToken)
    {
        List<VmsServerRow> stale;
        await using (var db = database.CreateReadContext())
        {
            stale = (await db.Servers.ToListAsync(cancellationToken)).FindAll(row => row.TraitsDigest != VmsServerTraits.DigestOf(row.ToServer()));
        }

        if (stale.Count == 0)
        {
            return 0;
        }

        return await database.WriteAsync(
            async session =>
            {
                var refreshed = 0;
                foreach (var row in stale)
                {
                    // Whoever has changed it meanwhile has put it right himself.
                    refreshed += await session.ExecuteAsync(
                        "UPDATE servers SET traits_digest = @digest WHERE id = @id AND revision = @revision",
                        cancellationToken,
                        ("digest", VmsServerTraits.DigestOf(row.ToServer())),
                        ("id", row.Id),
                        ("revision", row.Revision));
                }

                return refreshed;
            },
            cancellationToken);
    }
}
