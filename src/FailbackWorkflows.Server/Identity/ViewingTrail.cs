using FailbackWorkflows.Persistence.Identity;

namespace FailbackWorkflows.Server.Identity;

/// <summary>
/// Writes into the audit log who looked at what not everybody may see: material, settings with their credentials, the audit log itself. Once per viewing: a player
/// asks for a segment in many ranges, and for what it skips to again. A viewing ends when nothing of it was asked for for <see cref="Pause"/>. After a restart, and on another
/// node, the next request is a viewing of its own: rather one entry too many than one too few.
/// </summary>
public sealed class ViewingTrail(IAuditLog audit, TimeProvider time)
{
    /// <summary>What is asked for within this time of the request before belongs to the same viewing.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromMinutes(10);

    private const int MostViewings = 10_000;

    private readonly Lock _lock = new();
    private readonly Dictionary<Viewing, DateTimeOffset> _viewings = [];

    /// <summary>Returns when the viewing is written down; call it before anything is shown.</summary>
    /// <param name="action">What is looked at, e.g. <c>view restored material</c>.</param>
    /// <param name="subject">Which of them.</param>
    public async Task NoteAsync(HttpContext context, string action, string? subject, CancellationToken cancellationToken)
    {
        var actor = CurrentActor.Of(context);
        var now = time.GetUtcNow();
        var viewing = new Viewing(actor.Id, action, subject);
        if (IsKnown(viewing, now))
        {
            return;
        }

        await audit.AppendAsync(new AuditRecord(now, actor, action, subject, null, "done"), cancellationToken);
        Keep(viewing, now);
    }

    private bool IsKnown(Viewing viewing, DateTimeOffset now)
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

    private void Keep(Viewing viewing, DateTimeOffset now)
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

    private readonly record struct Viewing(string ActorId, string Action, string? Subject);
}
