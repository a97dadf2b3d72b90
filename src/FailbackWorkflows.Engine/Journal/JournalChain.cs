using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace FailbackWorkflows.Engine.Journal;

/// <summary>
/// Chains the events of an instance: each is hashed together with the hash of the one before, and the first with who the instance is and which
/// definition it is pinned to. What is hashed is a line of text, described byte by byte in <c>docs/auditors.md</c>, so that <c>sha256sum</c> is enough to check it.
/// </summary>
public static class JournalChain
{
    /// <summary>Version of the form of the lines; part of each of them.</summary>
    public const int Version = 1;

    private const string InstantForm = "yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'";

    /// <summary>What the first event of a chain is hashed with, as a line.</summary>
    public static string GenesisLine(string instanceId, string definitionVersionId, string definitionSha256) =>
        $$"""{"chain":"run","definitionSha256":{{Quote(definitionSha256)}},"definitionVersionId":{{Quote(definitionVersionId)}},"instance":{{Quote(instanceId)}},"v":1}""";

    /// <summary>Hash of <see cref="GenesisLine"/>, lower-case hex.</summary>
    public static string Genesis(string instanceId, string definitionVersionId, string definitionSha256) => Hash(GenesisLine(instanceId, definitionVersionId, definitionSha256));

    /// <summary>SHA-256 of a line as UTF-8, lower-case hex.</summary>
    public static string Hash(string line) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(line)));

    /// <summary>An instant as lines have it: UTC with seven digits of a second.</summary>
    public static string Instant(DateTimeOffset at) => at.UtcDateTime.ToString(InstantForm, CultureInfo.InvariantCulture);

    /// <summary>Text as a JSON string in the form lines have it.</summary>
    public static string Quote(string text) => $"\"{JsonEncodedText.Encode(text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping)}\"";

    /// <summary>Chains the events of a step onto what was before.</summary>
    /// <param name="head">Hash of the event before the first one; null: these are the first.</param>
    internal static IReadOnlyList<ChainedEvent> Append(string instanceId, string definitionVersionId, string? head, IReadOnlyList<JournalEvent> events)
    {
        if (events.Count == 0)
        {
            return [];
        }

        var line = ChainLine.OfThisThread;
        var chained = new ChainedEvent[events.Count];
        head ??= Genesis(instanceId, definitionVersionId, (events[0] as InstanceStarted)?.DefinitionSha256 ?? "");
        for (var i = 0; i < chained.Length; i++)
        {
            var item = events[i];
            var (executionId, nodeId) = PlaceOf(item);
            var kind = JournalEvent.NameOf(item.GetType());
            var payload = CanonicalJson.Utf8Of(item);
            head = line.Hash(instanceId, item.Sequence, item.At, kind, nodeId, executionId, payload, head);
            chained[i] = new(item, kind, nodeId, executionId, Encoding.UTF8.GetString(payload), head);
        }

        return chained;
    }

    /// <summary>The events as a store without a chain has them; for measuring what chaining costs.</summary>
    internal static IReadOnlyList<ChainedEvent> Loose(IReadOnlyList<JournalEvent> events) =>
    [
        .. events.Select(item =>
        {
            var (executionId, nodeId) = PlaceOf(item);
            return new ChainedEvent(item, JournalEvent.NameOf(item.GetType()), nodeId, executionId, JsonSerializer.Serialize(item, Values.PlainValue.Json), null);
        }),
    ];

    private static (string? ExecutionId, string? NodeId) PlaceOf(JournalEvent item) => item switch
    {
        ActivityEvent activity => (activity.ExecutionId, activity.NodeId),
        InstanceFaulted faulted => (faulted.ExecutionId, faulted.NodeId),
        _ => (null, null),
    };
}

/// <summary>An event as it is stored.</summary>
/// <param name="Kind">Its name, e.g. <c>activityStarted</c>.</param>
/// <param name="Payload">The event in its canonical form.</param>
/// <param name="Hash">Lower-case hex; null only where a benchmark leaves chaining out.</param>
public sealed record ChainedEvent(JournalEvent Event, string Kind, string? NodeId, string? ExecutionId, string Payload, string? Hash);

/// <summary>Makes the lines that are hashed. Keeps its buffer, so that a million events cost no garbage; for one thread at a time.</summary>
public sealed class ChainLine
{
    /// <summary>Characters of a hash in hex.</summary>
    public const int HashLength = 64;

    /// <summary>What stands in a JSON string as it is.</summary>
    private static readonly SearchValues<byte> Plain = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./:# "u8);

    [ThreadStatic]
    private static ChainLine? _ofThisThread;

    // One that is used again and again: what is set up once for it costs more than the hash of a line.
    private readonly IncrementalHash _sha256 = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    private byte[] _line = new byte[4096];
    private int _length;

    /// <summary>One for whoever needs it between two awaits.</summary>
    internal static ChainLine OfThisThread => _ofThisThread ??= new();

    /// <summary>The bytes of the line made last.</summary>
    public ReadOnlySpan<byte> Bytes => _line.AsSpan(0, _length);

    /// <summary>Makes the line of an event and hashes it; lower-case hex.</summary>
    public string Hash(string instanceId, long sequence, DateTimeOffset at, string kind, string? nodeId, string? executionId, string payload, string previous) =>
        Hash(instanceId, sequence, at, kind, nodeId, executionId, Encoding.UTF8.GetBytes(payload), previous);

    /// <summary>Makes the line of an event and hashes it; lower-case hex.</summary>
    /// <param name="payload">UTF-8.</param>
    public string Hash(string instanceId, long sequence, DateTimeOffset at, string kind, string? nodeId, string? executionId, ReadOnlySpan<byte> payload, string previous)
    {
        Make(instanceId, sequence, at, kind, nodeId, executionId, payload, previous);
        Span<byte> hash = stackalloc byte[HashLength];
        HashTo(hash);
        return Encoding.ASCII.GetString(hash);
    }

    /// <summary>The hash of the line made last, in hex.</summary>
    /// <param name="hex">64 bytes.</param>
    public void HashTo(Span<byte> hex)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        _sha256.AppendData(Bytes);
        _sha256.GetHashAndReset(hash);
        var digits = "0123456789abcdef"u8;
        for (var i = 0; i < hash.Length; i++)
        {
            hex[2 * i] = digits[hash[i] >> 4];
            hex[(2 * i) + 1] = digits[hash[i] & 15];
        }
    }

    /// <summary>Makes the line of an event.</summary>
    public void Make(string instanceId, long sequence, DateTimeOffset at, string kind, string? nodeId, string? executionId, string payload, string previous) =>
        Make(instanceId, sequence, at, kind, nodeId, executionId, Encoding.UTF8.GetBytes(payload), previous);

    /// <summary>Makes the line of an event of texts that are UTF-8 already.</summary>
    public void Make(
        ReadOnlySpan<byte> instanceId,
        long sequence,
        long ticks,
        ReadOnlySpan<byte> kind,
        bool hasNoNode,
        ReadOnlySpan<byte> nodeId,
        bool hasNoExecution,
        ReadOnlySpan<byte> executionId,
        ReadOnlySpan<byte> payload,
        ReadOnlySpan<byte> previous)
    {
        Begin(ticks, payload);
        AddQuoted(hasNoExecution, executionId);
        Add(",\"instance\":"u8);
        AddQuoted(false, instanceId);
        Add(",\"kind\":"u8);
        AddQuoted(false, kind);
        Add(",\"node\":"u8);
        AddQuoted(hasNoNode, nodeId);
        Add(",\"previous\":"u8);
        AddQuoted(false, previous);
        End(sequence);
    }

    private void Make(string instanceId, long sequence, DateTimeOffset at, string kind, string? nodeId, string? executionId, ReadOnlySpan<byte> payload, string previous)
    {
        Begin(at.UtcTicks, payload);
        AddQuoted(executionId);
        Add(",\"instance\":"u8);
        AddQuoted(instanceId);
        Add(",\"kind\":"u8);
        AddQuoted(kind);
        Add(",\"node\":"u8);
        AddQuoted(nodeId);
        Add(",\"previous\":"u8);
        AddQuoted(previous);
        End(sequence);
    }

    private void Begin(long ticks, ReadOnlySpan<byte> payload)
    {
        _length = 0;
        Add("{\"at\":\""u8);
        AddInstant(ticks);
        Add("\",\"event\":"u8);
        Add(payload);
        Add(",\"execution\":"u8);
    }

    private void End(long sequence)
    {
        Add(",\"sequence\":"u8);
        Grow(24);
        Utf8Formatter.TryFormat(sequence, _line.AsSpan(_length), out var written);
        _length += written;
        Add(",\"v\":1}"u8);
    }

    /// <summary>As <see cref="JournalChain.Instant"/>.</summary>
    private void AddInstant(long ticks)
    {
        Grow(28);
        var at = _line.AsSpan(_length, 28);
        var day = DateOnly.FromDayNumber((int)(ticks / TimeSpan.TicksPerDay));
        Digits(at[..4], day.Year);
        at[4] = (byte)'-';
        Digits(at.Slice(5, 2), day.Month);
        at[7] = (byte)'-';
        Digits(at.Slice(8, 2), day.Day);
        at[10] = (byte)'T';
        var ofDay = ticks % TimeSpan.TicksPerDay;
        Digits(at.Slice(11, 2), ofDay / TimeSpan.TicksPerHour);
        at[13] = (byte)':';
        Digits(at.Slice(14, 2), ofDay / TimeSpan.TicksPerMinute % 60);
        at[16] = (byte)':';
        Digits(at.Slice(17, 2), ofDay / TimeSpan.TicksPerSecond % 60);
        at[19] = (byte)'.';
        Digits(at.Slice(20, 7), ofDay % TimeSpan.TicksPerSecond);
        at[27] = (byte)'Z';
        _length += 28;
    }

    private static void Digits(Span<byte> target, long number)
    {
        for (var i = target.Length - 1; i >= 0; i--)
        {
            target[i] = (byte)('0' + (number % 10));
            number /= 10;
        }
    }

    private void AddQuoted(bool isNull, ReadOnlySpan<byte> text)
    {
        if (isNull)
        {
            Add("null"u8);
        }
        else if (text.ContainsAnyExcept(Plain))
        {
            Add(Encoding.UTF8.GetBytes(JournalChain.Quote(Encoding.UTF8.GetString(text))));
        }
        else
        {
            Add("\""u8);
            Add(text);
            Add("\""u8);
        }
    }

    private void AddQuoted(string? text)
    {
        if (text is null)
        {
            Add("null"u8);
            return;
        }

        Grow(Encoding.UTF8.GetMaxByteCount(text.Length) + 2);
        var start = _length + 1;
        var end = start + Encoding.UTF8.GetBytes(text, _line.AsSpan(start));
        if (_line.AsSpan(start..end).ContainsAnyExcept(Plain))
        {
            Add(Encoding.UTF8.GetBytes(JournalChain.Quote(text)));
        }
        else
        {
            (_line[_length], _line[end]) = ((byte)'"', (byte)'"');
            _length = end + 1;
        }
    }

    private void Add(ReadOnlySpan<byte> bytes)
    {
        Grow(bytes.Length);
        bytes.CopyTo(_line.AsSpan(_length));
        _length += bytes.Length;
    }

    private void Grow(int by)
    {
        if (_length + by > _line.Length)
        {
            Array.Resize(ref _line, Math.Max(_line.Length * 2, _length + by));
        }
    }
}
