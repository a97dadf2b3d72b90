using FailbackWorkflows.Engine.Journal;

namespace FailbackWorkflows.Engine.Activities;

/// <summary>
/// Notes what an activity does outside of the engine while it runs, so that the event of its end tells it. Whoever makes such calls says so; nothing is decided by it, and
/// outside of an activity nobody listens.
/// </summary>
public static class ActivityWitness
{
    private static readonly AsyncLocal<Notes?> Current = new();

    /// <summary>An activity runs, and what is noted goes into its journal.</summary>
    public static bool IsListening => Current.Value is not null;

    /// <summary>Notes a call. Safe from several threads of an activity.</summary>
    public static void Note(OutsideCall call) => Current.Value?.Add(call);

    /// <summary>Notes how somebody's clock stood; of several readings the most certain is kept, of equal ones the last.</summary>
    public static void Note(ClockReading reading) => Current.Value?.Add(reading);

    /// <summary>Listens from here on, in this flow of execution and what it begins.</summary>
    internal static Notes Listen() => Current.Value = new Notes();

    /// <summary>What one execution of an activity has noted.</summary>
    internal sealed class Notes
    {
        private readonly Lock _lock = new();
        private List<OutsideCall>? _calls;
        private List<ClockReading>? _clocks;

        public void Add(OutsideCall call)
        {
            lock (_lock)
            {
                (_calls ??= []).Add(call);
            }
        }

        public void Add(ClockReading reading)
        {
            lock (_lock)
            {
                _clocks ??= [];
                if (_clocks.FindIndex(c => c.Of == reading.Of) is var known and >= 0)
                {
                    _clocks[known] = reading.UncertaintyMilliseconds <= _clocks[known].UncertaintyMilliseconds ? reading : _clocks[known];
                }
                else
                {
                    _clocks.Add(reading);
                }
            }
        }

        /// <summary>The event with what was noted so far.</summary>
        public ActivityEvent Told(ActivityEvent fact)
        {
            lock (_lock)
            {
                return _calls is null && _clocks is null ? fact : fact with { Calls = _calls is null ? null : [.. _calls], Clocks = _clocks is null ? null : [.. _clocks] };
            }
        }
    }
}
