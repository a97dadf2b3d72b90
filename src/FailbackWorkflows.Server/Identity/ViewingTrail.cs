using FailbackWorkflows.Persistence.Identity;

namespace FailbackWorkflows.Server.Identity;

/// <summary>
/// Writes into the audit log who looked at which material, once per viewing: a player asks for a segment in many ranges, and for what it skips
/// to again. A viewing of a segment ends when nothing of it was asked for for <see cref="Pause"/>. After a restart, and on another
/// node, the next request is a viewing of its own: rather one entry too many than one too few.
/// </summary>
internal sealed class ViewingTrail(IAuditLog audit, TimeProvider time)
{
    /// <summary>What is asked for within this time of the request before belongs to the same viewing.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromMinutes(10);

    private const int MostViewings = 10_000;

    private readonly Lock _lock = new();
    private readonly Dictionary<(string ActorId, string Subject), DateTimeOffset> _viewings = [];

    /// <summary>Returns when the viewing is written down; call it before anything is shown.</summary>
    public async Task NoteAsync(HttpContext context, string subject, CancellationToken cancellationToken)
    {
        var actor = CurrentActor.Of(context);
        var now = time.GetUtcNow();
        if (IsKnown((actor.Id, subject), now))
        {
            return;
        }

        await audit.AppendAsync(new AuditRecord(now, actor, "view restored material", subject, null, "done"), cancellationToken);
        Keep((actor.Id, subject), now);
    }

    private bool IsKnown((string, string) viewing, DateTimeOffset now)
    {
        lock (_lock)
        {
            if (!_viewings.TryGetValue(viewing, out var last) || now - last >= Pause)
            {
                return false;
            }

            _viewings[viewing] = now;
            return true;
        }
    }

    private void Keep((string, string) viewing, DateTimeOffset now)
    {
        lock (_lock)
        {
            if (_viewings.Count >= MostViewings)
            {
                foreach (var over in _viewings.Where(v => now - v.Value >= Pause).Select(v => v.Key).ToList())
                {
                    _viewings.Remove(over);
                }

                // Ever more at once: forgetting costs an entry too many.
                if (_viewings.Count >= MostViewings)
                {
                    _viewings.Clear();
                }
            }

            _viewings[viewing] = now;
        }
    }
}
