using System.Text;
using FailbackWorkflows.Engine.Journal;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>The form of what is hashed is kept for ever: histories were sealed in it. The hashes here were made by <c>sha256sum</c>.</summary>
public sealed class JournalChainTests
{
    private const string Genesis = """{"chain":"run","definitionSha256":"ab","definitionVersionId":"failback:2","instance":"run-1","v":1}""";
    private const string GenesisHash = "e826290181f089f005ccd35f8e6062692082a2cfe669a8e39058b3b2c28eaf77";
    private const string Payload = """{"activityType":"Failback.CheckLicense","at":"2026-03-01T12:00:00.0000001+00:00","event":"activityStarted","executionId":"2","inputs":{"b":1,"a":"Ü \"x\" \uD834\uDD1E"},"isFact":false,"nodeId":"root/Prüfung","parentExecutionId":null,"sequence":7}""";
    private const string Line = """{"at":"2026-03-01T12:00:00.0000001Z","event":{"activityType":"Failback.CheckLicense","at":"2026-03-01T12:00:00.0000001+00:00","event":"activityStarted","executionId":"2","inputs":{"b":1,"a":"Ü \"x\" \uD834\uDD1E"},"isFact":false,"nodeId":"root/Prüfung","parentExecutionId":null,"sequence":7},"execution":"2","instance":"run-1","kind":"activityStarted","node":"root/Prüfung","previous":"e826290181f089f005ccd35f8e6062692082a2cfe669a8e39058b3b2c28eaf77","sequence":7,"v":1}""";
    private const string LineHash = "b9fae8f863b9d90e4f7242bab2a6e9b7895869b52aedf674bdb731dfd8065474";

    private static readonly ActivityStarted Event = new()
    {
        Sequence = 7,
        At = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero).AddTicks(1),
        ExecutionId = "2",
        NodeId = "root/Prüfung",
        ActivityType = "Failback.CheckLicense",
        Inputs = new Dictionary<string, object?> { ["b"] = 1L, ["a"] = "Ü \"x\" \U0001D11E" },
    };

    [Fact]
    public void Genesis_OfARun_IsAsDocumented()
    {
        JournalChain.GenesisLine("run-1", "failback:2", "ab").ShouldBe(Genesis);
        JournalChain.Genesis("run-1", "failback:2", "ab").ShouldBe(GenesisHash);
    }

    [Fact]
    public void Payload_OfAnEvent_HasItsMembersByNameAndValuesAsTheyWereSet() => CanonicalJson.Of(Event).ShouldBe(Payload);

    [Fact]
    public void Line_OfAnEvent_IsAsDocumented()
    {
        var line = new ChainLine();
        line.Hash("run-1", 7, Event.At, "activityStarted", Event.NodeId, Event.ExecutionId, Payload, GenesisHash).ShouldBe(LineHash);
        Encoding.UTF8.GetString(line.Bytes).ShouldBe(Line);
    }

    [Fact]
    public void Chain_OfSeveralEvents_BeginsWithTheGenesisAndGoesOnFromItsHead()
    {
        JournalEvent[] events = [Event, new InstanceFinished { Sequence = 8, At = Event.At, SubStatus = FailbackWorkflows.Engine.WorkflowSubStatus.Finished }];
        var whole = JournalChain.Append("run-1", "failback:2", GenesisHash, events);
        whole[0].Hash.ShouldBe(LineHash);
        JournalChain.Append("run-1", "failback:2", LineHash, [events[1]]).Single().Hash.ShouldBe(whole[1].Hash);
        JournalChain.Append("run-1", "failback:2", null, [Event]).Single().Hash.ShouldBe(JournalChain.Append("run-1", "failback:2", JournalChain.Genesis("run-1", "failback:2", ""), [Event]).Single().Hash);
    }

    [Theory]
    [InlineData(0L)]
    [InlineData(639_000_000_000_000_001L)]
    [InlineData(3_155_378_975_999_999_999L)]
    public void Instant_InALine_IsAsTheSlowWayWritesIt(long ticks)
    {
        var line = new ChainLine();
        line.Make("r", 1, new DateTimeOffset(ticks, TimeSpan.Zero), "k", null, null, "{}", "");
        Encoding.UTF8.GetString(line.Bytes).ShouldStartWith($"{{\"at\":\"{JournalChain.Instant(new DateTimeOffset(ticks, TimeSpan.Zero))}\",");
    }
}
