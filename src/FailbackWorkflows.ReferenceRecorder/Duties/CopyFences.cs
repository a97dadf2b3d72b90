using FailbackWorkflows.Recorders;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Duties;

/// <summary>Which management-server run may act for a copy task or a read token. Has nothing to do with the duty fence.</summary>
public static class CopyFences
{
    /// <summary>Remembers the fence. Call it before the effect, in its transaction; a lower one than seen leaves no trace.</summary>
    /// <exception cref="Refusal">Another run is in charge of the task.</exception>
    public static void Accept(Sql sql, string id, long fence)
    {
        RefuseStale(sql, id, fence);
        sql.Run("INSERT INTO copy_fences (id, fence) VALUES ($id, $fence) ON CONFLICT (id) DO UPDATE SET fence = $fence", ("$id", id), ("$fence", fence));
    }

    /// <exception cref="Refusal">Another run is in charge of the task.</exception>
    public static void RefuseStale(Sql sql, string id, long fence)
    {
        var known = sql.Single("SELECT fence FROM copy_fences WHERE id = $id", r => r.GetInt64(0), ("$id", id));
        if (fence < known)
        {
            throw new Refusal(
                StatusCodes.Status412PreconditionFailed,
                RecorderProblems.StaleAuthority,
                $"The call acts for '{id}' under copy fence {fence}, but this recorder knows {known}: another run is in charge of it. Read the task again before going on.");
        }
    }
}
