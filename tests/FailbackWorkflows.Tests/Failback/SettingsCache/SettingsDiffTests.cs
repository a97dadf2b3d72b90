using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Recorders.Settings;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Failback.SettingsCache;

/// <summary>What a person reads of two bundles; and that nothing that differs is kept from him.</summary>
public sealed class SettingsDiffTests
{
    private const string Gate = """{"id":"video-1","slot":3,"kind":"video","name":"Gate","sourceId":"urn:cam:1","enabled":true,"required":true,"masksRequired":true}""";
    private const string Hall = """{"id":"video-2","kind":"video","name":"Hall","enabled":false,"streams":{"main":{"fps":25,"codec":"h264"}}}""";

    /// <summary>Section, before, after, the sentence.</summary>
    public static TheoryData<string, string, string, string> Differences { get; } = new()
    {
        { "channels", "[]", $"[{Gate}]", "Channel 3 'Gate' added" },
        { "channels", $"[{Hall}]", "[]", "Channel 'Hall' removed" },
        { "channels", $"[{Gate}]", $"[{Gate.Replace("Gate", "Main gate", StringComparison.Ordinal)}]", "Channel 3 'Main gate': renamed from 'Gate' to 'Main gate'" },
        { "channels", $"[{Gate}]", $"[{Gate.Replace("cam:1", "cam:9", StringComparison.Ordinal)}]", "Channel 3 'Gate': camera replaced ('urn:cam:1' → 'urn:cam:9')" },
        {
            "channels", $"[{Gate}]", $"[{Gate.Replace("\"enabled\":true,\"required\":true", "\"enabled\":false,\"required\":false", StringComparison.Ordinal)}]",
            "Channel 3 'Gate': switched off; no longer required (a failback does not wait for its picture)"
        },
        { "channels", $"[{Gate}]", $"[{Gate.Replace("\"masksRequired\":true", "\"masksRequired\":false", StringComparison.Ordinal)}]", "Channel 3 'Gate': now also records without a privacy mask" },
        { "channels", $"[{Gate}]", $"[{Gate.Replace("\"slot\":3", "\"slot\":4", StringComparison.Ordinal)}]", "Channel 4 'Gate': moved from place 3 to 4" },
        { "channels", $"[{Hall}]", $"[{Hall.Replace("25", "12.5", StringComparison.Ordinal)}]", "Channel 'Hall': streams.main.fps changed from 25 to 12.5" },
        { "channels", $"[{Gate},{Hall}]", $"[{Hall},{Gate}]", "The order of the channels changed." },
        { "channels", """[{"name":"x"}]""", """[{"name":"y"}]""", """An entry of channels without an id of its own was added: {"name":"y"} | An entry of channels without an id of its own was removed: {"name":"x"}""" },
        { "channels", """[{"id":"a","name":"x"}]""", """[{"id":"a","name":"x"},{"id":"a","name":"y"}]""", """An entry of channels without an id of its own was added: {"id":"a","name":"y"}""" },
        { "channels", "[]", "{}", "The section channels changed as a whole." },
        { "masks", "[]", Mask("[[0.1,0.1],[0.4,0.1],[0.4,0.3]]"), "Channel 3 'Gate': privacy mask 'window' added" },
        { "masks", Mask("[[0.1,0.1],[0.4,0.1],[0.4,0.3]]"), Mask("[[0.2,0.15],[0.5,0.15],[0.5,0.35]]"), "Channel 3 'Gate': privacy mask 'window' moved" },
        { "masks", Mask("[[0.1,0.1],[0.4,0.1],[0.4,0.3]]"), Mask("[[0.1,0.1],[0.4,0.1],[0.4,0.4]]"), "Channel 3 'Gate': privacy mask 'window' redrawn" },
        { "masks", Mask("[[0.1,0.1]]"), Mask("[[0.1,0.1]]", channel: "video-2"), "Channel 'Hall': privacy mask 'window' put on channel 'Hall' (was on channel 3 'Gate')" },
        { "masks", Mask("[[0.1,0.1]]"), Mask("[[0.1,0.1]]", type: "motion"), "Channel 3 'Gate': motion mask 'window' is now a motion mask (was privacy)" },
        { "schedules", Schedule("FREQ=DAILY"), Schedule("FREQ=WEEKLY;BYDAY=SA,SU"), "Channel 3 'Gate': schedule 'always' now records Sat, Sun (was every day)" },
        { "schedules", Schedule("FREQ=DAILY"), Schedule("FREQ=HOURLY;INTERVAL=2"), "Channel 3 'Gate': schedule 'always' now records 'FREQ=HOURLY;INTERVAL=2' (was every day)" },
        { "schedules", Schedule("FREQ=DAILY"), "[]", "Channel 3 'Gate': schedule 'always' removed" },
        { "alarms", """[{"id":"a1","name":"Motion","severity":"low"}]""", """[{"id":"a1","name":"Motion","severity":"high"}]""", "Alarm 'Motion': severity changed from 'low' to 'high'" },
        { "retention", """{"maximumRetentionTime":"P30D"}""", """{"maximumRetentionTime":"PT36H"}""", "Material is kept for 36 hours (was 30 days)" },
        { "retention", """{"maximumRetentionTime":"P1D"}""", """{"maximumRetentionTime":null}""", "Material is kept for no limit (was 1 day)" },
        { "retention", "{}", """{"overwrite":true}""", "Retention: overwrite changed from nothing to on" },
    };

    [Theory]
    [MemberData(nameof(Differences))]
    public void Difference_OfASection_IsSaidInTheFieldsWords(string section, string before, string after, string sentence)
    {
        var (from, to) = (With(section, before), With(section, after));

        var changes = SettingsDiff.Compare(from, to);

        string.Join(" | ", changes.Select(c => c.Sentence)).ShouldBe(sentence);
        changes.ShouldAllBe(c => c.Section == section);
        SettingsDiff.Compare(from, from).ShouldBeEmpty();
        SettingsDiff.Compare(to, from).ShouldNotBeEmpty();
    }

    [Fact]
    public void Difference_OfAnItem_NamesItsFieldsForPrograms()
    {
        var change = SettingsDiff.Compare(With("masks", Mask("[[0.1,0.1]]")), With("masks", Mask("[[0.2,0.2]]"))).Single();

        (change.Kind, change.Id, change.ChannelId).ShouldBe((SettingsChangeKind.Changed, "window", "video-1"));
        var field = change.Fields.Single();
        (field.Name, field.From!.Value.GetRawText(), field.To!.Value.GetRawText()).ShouldBe(("polygon", "[[0.1,0.1]]", "[[0.2,0.2]]"));
    }

    [Fact]
    public void Files_ChangedAddedAndRemoved_AreListedWithTheirLines()
    {
        var from = Base with { Files = [File("a.conf", "one\ntwo\nthree\n"), File("gone.bin", "x")] };
        var to = Base with { Files = [File("new.conf", ""), File("a.conf", "one\n2\nthree\nfour\n")] };

        var changes = SettingsDiff.Compare(from, to);

        changes.Select(c => c.Sentence).ShouldBe(["File 'a.conf' changed (14 bytes → 17 bytes)", "File 'gone.bin' removed (1 byte)", "File 'new.conf' added (0 bytes)"]);
        changes[0].Lines.ShouldBe(["- two", "+ 2", "+ four"]);
    }

    // Who may see that something changed need not see the password.
    [Fact]
    public void Secrets_OfCameras_AreNotShown()
    {
        const string Before = """[{"id":"c","name":"Gate","url":"rtsp://admin:hunter2@10.0.0.1/","login":{"password":"hunter2"}}]""";
        var from = Base with { Channels = Json(Before), Files = [File("a.conf", "user = admin\npassword = hunter2\n")] };
        var to = Base with { Channels = Json(Before.Replace("hunter2", "hunter3", StringComparison.Ordinal).Replace("10.0.0.1", "10.0.0.2", StringComparison.Ordinal)), Files = [File("a.conf", "user = admin\npassword = hunter3\n")] };

        var changes = SettingsDiff.Compare(from, to);

        var shown = JsonSerializer.Serialize(changes);
        shown.ShouldNotContain("hunter");
        shown.ShouldNotContain("admin:");
        changes.Select(c => c.Sentence).First().ShouldBe("Channel 'Gate': url changed from 'rtsp://•••@10.0.0.1/' to 'rtsp://•••@10.0.0.2/'; login.password changed");
        changes[1].Lines.ShouldBe(["- password = •••", "+ password = •••"]);
    }

    [Theory]
    [InlineData("channels", """[{"id":"c","logins":[]}]""", """[{"id":"c","logins":[{"user":"u","password":"hunter2"}]}]""")]
    [InlineData("channels", """[{"id":"c"}]""", """[{"id":"c","onvif":{"user":"u","password":"hunter2"}}]""")]
    [InlineData("channels", """[{"id":"c"}]""", """[{"id":"c","urls":["rtsp://admin:hunter2@10.0.0.1/"]}]""")]
    [InlineData("channels", "[]", """[{"password":"hunter2","name":"x"}]""")]
    [InlineData("retention", "{}", """{"password":"hunter2"}""")]
    [InlineData("alarms", """[{"id":"a"}]""", """[{"id":"a","mail":{"server":{"password":"hunter2"}}}]""")]
    public void Secrets_DeepInAValue_AreNotShown(string section, string before, string after)
    {
        var changes = SettingsDiff.Compare(With(section, before), With(section, after));

        JsonSerializer.Serialize(changes).ShouldNotContain("hunter");
        changes.ShouldHaveSingleItem().Sentence.ShouldNotContain("hunter");
    }

    [Fact]
    public void Files_NotText_HaveNoLines()
    {
        var from = Base with { Files = [Bytes("a.bin", [0xff, 0x00])] };
        var to = Base with { Files = [Bytes("a.bin", [0xff, 0x01])] };

        SettingsDiff.Compare(from, to).Single().Lines.ShouldBeEmpty();
    }

    // The promise of the whole: what has another digest has a change to show, and what has the same has none.
    [Fact]
    public void Changes_BetweenRandomBundles_AreEmptyExactlyWhenTheDigestsAreEqual()
    {
        var random = new Random(20261128);
        var equal = 0;
        for (var i = 0; i < 2000; i++)
        {
            var from = RandomContent(random);
            var to = random.Next(4) == 0 ? Shuffled(from) : RandomContent(random);
            var isEqual = SettingsDigest.Compute(from) == SettingsDigest.Compute(to);
            equal += isEqual ? 1 : 0;

            var changes = SettingsDiff.Compare(from, to);

            (changes.Count == 0).ShouldBe(isEqual, JsonSerializer.Serialize((from, to), new JsonSerializerOptions { IncludeFields = true }));
            changes.ShouldAllBe(c => c.Sentence.Length > 0);
        }

        equal.ShouldBeInRange(100, 1900);
    }

    private static SettingsContent Base { get; } = new(Json($"[{Gate},{Hall}]"), Json("[]"), Json("[]"), Json("[]"), Json("{}"), []);

    private static SettingsContent With(string section, string json) => section switch
    {
        "channels" => Base with { Channels = Json(json) },
        "masks" => Base with { Masks = Json(json) },
        "schedules" => Base with { Schedules = Json(json) },
        "alarms" => Base with { Alarms = Json(json) },
        _ => Base with { Retention = Json(json) },
    };

    private static string Mask(string polygon, string channel = "video-1", string type = "privacy") =>
        $$"""[{"id":"window","channelId":"{{channel}}","type":"{{type}}","polygon":{{polygon}}}]""";

    private static string Schedule(string rule) => $$"""[{"id":"always","channelId":"video-1","rule":"{{rule}}"}]""";

    private static ConfigurationFile File(string path, string text) => Bytes(path, Encoding.UTF8.GetBytes(text));

    private static ConfigurationFile Bytes(string path, byte[] bytes) => new(path, Convert.ToBase64String(bytes), Convert.ToHexStringLower(SHA256.HashData(bytes)));

    private static JsonElement Json(string text) => JsonElement.Parse(text);

    private static SettingsContent RandomContent(Random random) => new(
        Items(random, "name"), Items(random, "polygon"), Items(random, "rule"), Items(random, "severity"),
        JsonSerializer.SerializeToElement(random.Next(2) == 0 ? [] : new JsonObject { ["maximumRetentionTime"] = Value(random) }),
        [.. Enumerable.Range(0, random.Next(3)).Select(i => File($"f{i}", random.Next(2).ToString()))]);

    private static JsonElement Items(Random random, string field) => random.Next(12) == 0
        ? Json("{}")
        : JsonSerializer.SerializeToElement(new JsonArray([.. Enumerable.Range(0, random.Next(3)).Select(JsonNode? (_) => new JsonObject { ["id"] = Id(random), ["channelId"] = Id(random), [field] = Value(random) })]));

    private static JsonNode? Id(Random random) => random.Next(8) switch { 0 => null, 1 => 7, var n => $"i{n % 2}" };

    private static JsonNode? Value(Random random) => random.Next(6) switch { 0 => null, 1 => "a", 2 => 1, 3 => true, 4 => new JsonArray(0.1), _ => new JsonObject { ["x"] = random.Next(2) } };

    /// <summary>The same settings as another recorder might write them: members and files in another order.</summary>
    private static SettingsContent Shuffled(SettingsContent content) => content with
    {
        Channels = content.Channels.ValueKind != JsonValueKind.Array
            ? content.Channels
            : JsonSerializer.SerializeToElement(content.Channels.EnumerateArray().Select(c => new JsonObject(c.EnumerateObject().Reverse().Select(m => KeyValuePair.Create(m.Name, JsonNode.Parse(m.Value.GetRawText())))))),
        Files = [.. content.Files.Reverse()],
    };
}
