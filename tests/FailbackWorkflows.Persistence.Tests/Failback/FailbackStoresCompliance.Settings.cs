using System.Text.Json;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Recorders.Settings;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Failback;

/// <summary>The settings cache, the settings of the site and its licence.</summary>
public abstract partial class FailbackStoresCompliance
{
    private ISettingsCache Cache => Database.Get<ISettingsCache>();

    [Fact]
    public async Task SaveSettings_Bundle_IsReadBackWithTheSameDigest()
    {
        var content = Content("""[{"id":"cam-1","name":"Süd „1“","fps":12.5,"extra":{"b":1,"a":null}}]""") with { Files = [new("masks/cam-1.bin", "AAEC/w==", "ab")] };
        var saved = new CachedSettings("vms-1", "vms-2", 3, 41, SettingsDigest.Compute(content), T0.AddTicks(1), content)
        {
            Provenance = new(T0.AddMinutes(-1), "Olga", "„Tor“ verdeckt", "run-1"),
        };

        await ApplyAsync(new SaveSettings(saved));

        var read = (await Cache.FindNewestAsync("vms-1", None)).ShouldNotBeNull();
        SettingsDigest.Compute(read.Content).ShouldBe(saved.Sha256);
        JsonElement.DeepEquals(read.Content.Channels, content.Channels).ShouldBeTrue();
        read.Content.Files.ShouldBe(content.Files);
        (read with { Content = content }).ShouldBe(saved);
        (await Cache.FindAsync("vms-1", saved.Sha256, None)).ShouldNotBeNull().Revision.ShouldBe(41);
        (await Cache.FindAsync("vms-2", saved.Sha256, None)).ShouldBeNull();
        (await Cache.FindAsync("vms-1", "other", None)).ShouldBeNull();
        (await Cache.FindNewestAsync("vms-2", None)).ShouldBeNull();
        var row = new CachedRevision(1, "vms-1", "vms-2", 3, 41, saved.Sha256, saved.TakenAt, saved.TakenAt, saved.Provenance);
        (await Cache.FindRevisionAsync("vms-1", 1, None)).ShouldBe(row);
        (await Cache.ListLatestAsync(None)).ShouldBe([row]);
    }

    [Fact]
    public async Task FindNewest_SeveralEpochs_IsThatOfTheHighestEpoch()
    {
        // A recorder that came back with an old epoch has more revisions and was asked last: its settings still are the older ones.
        await ApplyAsync(Save("vms-2", epoch: 7, revision: 2, "current", T0));
        await ApplyAsync(Save("vms-1", epoch: 6, revision: 90, "stale", T0.AddHours(1)));

        (await Cache.FindNewestAsync("vms-1", None)).ShouldNotBeNull().Sha256.ShouldBe("current");
    }

    [Fact]
    public async Task FindNewest_OneEpochAndSource_IsThatOfTheHighestRevision()
    {
        await ApplyAsync(Save("vms-2", 7, 9, "nine", T0), Save("vms-2", 7, 10, "ten", T0.AddMinutes(1)), Save("vms-2", 7, 8, "eight", T0.AddMinutes(-1)));

        (await Cache.FindNewestAsync("vms-1", None)).ShouldNotBeNull().Sha256.ShouldBe("ten");
    }

    // The failed server's own copy, looked at while the failover server has the duty.
    [Fact]
    public async Task FindNewest_SeenWithoutTheDuty_IsNeverTaken()
    {
        await ApplyAsync(Save("vms-1", epoch: 0, revision: 90, "own", T0));
        (await Cache.FindNewestAsync("vms-1", None)).ShouldBeNull();

        await ApplyAsync(Save("vms-2", epoch: 1, revision: 1, "acting", T0.AddHours(-1)));

        (await Cache.FindNewestAsync("vms-1", None)).ShouldNotBeNull().Sha256.ShouldBe("acting");
        (await Cache.FindAsync("vms-1", "own", None)).ShouldNotBeNull();
        (await Cache.ListAsync("vms-1", null, 10, None)).Select(r => (r.Number, r.Sha256, r.IsOfHolder)).ShouldBe([(2, "acting", true), (1, "own", false)]);
    }

    [Fact]
    public async Task SaveSettings_TheSameAgain_OnlyMovesTheTimeOn()
    {
        await ApplyAsync(Save("vms-2", 7, 9, "nine", T0));
        await ApplyAsync(Save("vms-2", 7, 9, "nine", T0.AddHours(1)));
        await ApplyAsync(Save("vms-2", 7, 9, "nine", T0.AddMinutes(1)));

        (await Database.CountAsync("settings_bundles")).ShouldBe(1);
        var row = (await Cache.FindRevisionAsync("vms-1", 1, None)).ShouldNotBeNull();
        (row.SeenAt, row.TakenAt).ShouldBe((T0, T0.AddHours(1)));
    }

    [Fact]
    public async Task SaveSettings_TheSameContentElsewhere_IsStoredOnce()
    {
        await ApplyAsync(Save("vms-1", 1, 1, "one", T0), Save("vms-2", 1, 4, "one", T0), Save("vms-1", 1, 2, "two", T0.AddMinutes(1)), Save("vms-1", 1, 3, "one", T0.AddMinutes(2)));
        await ApplyAsync(new SaveSettings(Save("vms-9", 1, 1, "one", T0).Settings with { Identity = "vms-9" }));

        (await Database.CountAsync("settings_contents")).ShouldBe(2);
        (await Cache.ListAsync("vms-1", null, 10, None)).Select(r => (r.Number, r.SourceServerId, r.Revision, r.Sha256)).ShouldBe(
            [(4, "vms-1", 3, "one"), (3, "vms-1", 2, "two"), (2, "vms-2", 4, "one"), (1, "vms-1", 1, "one")]);
        (await Cache.ListAsync("vms-1", before: 3, take: 1, None)).Single().Number.ShouldBe(2);
        (await Cache.FindRevisionAsync("vms-9", 1, None)).ShouldNotBeNull();
    }

    // A poll saw what a run had activated before the run could say so.
    [Fact]
    public async Task SaveSettings_SeenBeforeItsOriginWasKnown_GetsItsOrigin()
    {
        await ApplyAsync(Save("vms-2", 7, 9, "nine", T0));
        await ApplyAsync(new SaveSettings(Save("vms-2", 7, 9, "nine", T0).Settings with { Provenance = new(T0, "Olga", "Why", "run-1") }));
        await ApplyAsync(new SaveSettings(Save("vms-2", 7, 9, "nine", T0.AddHours(1)).Settings with { Provenance = new(null, "Otto", null, null) }));

        (await Cache.FindRevisionAsync("vms-1", 1, None)).ShouldNotBeNull().Provenance.ShouldBe(new SettingsProvenance(T0, "Olga", "Why", "run-1"));
    }

    // Read before the change and written after it.
    [Fact]
    public async Task SaveSettings_LateNewsOfAnEarlierRevision_IsNoNewRow()
    {
        await ApplyAsync(Save("vms-2", 7, 9, "nine", T0), Save("vms-2", 7, 10, "ten", T0.AddMinutes(2)), Save("vms-2", 7, 9, "nine", T0.AddMinutes(1)));

        (await Database.CountAsync("settings_bundles")).ShouldBe(2);
        (await Cache.FindNewestAsync("vms-1", None)).ShouldNotBeNull().Sha256.ShouldBe("ten");
    }

    // A recorder that was set back to a backup counts its revisions anew: none of both is lost.
    [Fact]
    public async Task SaveSettings_SameRevisionWithAnotherDigest_IsARowOfItsOwn()
    {
        await ApplyAsync(Save("vms-2", 7, 9, "nine", T0), Save("vms-2", 7, 9, "other", T0.AddMinutes(1)), Save("vms-2", 7, 9, "nine", T0.AddMinutes(2)));

        (await Cache.ListAsync("vms-1", null, 10, None)).Select(r => r.Sha256).ShouldBe(["nine", "other", "nine"]);
        (await Cache.FindNewestAsync("vms-1", None)).ShouldNotBeNull().TakenAt.ShouldBe(T0.AddMinutes(2));
    }

    [Fact]
    public async Task SaveSettings_SameRevisionOfAnotherSource_IsABundleOfItsOwn()
    {
        await ApplyAsync(Save("vms-2", 7, 9, "two", T0), Save("vms-1", 7, 9, "one", T0));

        (await Cache.FindAsync("vms-1", "two", None)).ShouldNotBeNull().SourceServerId.ShouldBe("vms-2");
        (await Cache.FindAsync("vms-1", "one", None)).ShouldNotBeNull().SourceServerId.ShouldBe("vms-1");
    }

    [Fact]
    public async Task ListLatest_ManyRows_AreOnePerSourceAndDuty()
    {
        await ApplyAsync(
            Save("vms-1", 1, 1, "a", T0), Save("vms-1", 1, 2, "b", T0.AddMinutes(1)), Save("vms-2", 2, 1, "b", T0.AddMinutes(2)), Save("vms-2", 2, 2, "c", T0.AddMinutes(3)),
            Save("vms-1", 0, 2, "b", T0.AddMinutes(4)), Save("vms-1", 0, 3, "d", T0.AddMinutes(5)), Save("vms-2", 4, 2, "c", T0.AddMinutes(2)));

        (await Cache.ListLatestAsync(None)).Select(r => (r.SourceServerId, r.Epoch, r.Sha256)).Order().ShouldBe([("vms-1", 0, "d"), ("vms-1", 1, "b"), ("vms-2", 4, "c")]);
    }

    [Fact]
    public async Task ConfirmSettings_LaterAndEarlier_TheTimeOnlyMovesOn()
    {
        await ApplyAsync(Save("vms-2", 7, 9, "nine", T0), Save("vms-2", 7, 10, "ten", T0));

        await ApplyAsync(new ConfirmSettings("vms-1", 1, T0.AddMinutes(5)), new ConfirmSettings("vms-1", 1, T0.AddMinutes(3)), new ConfirmSettings("vms-1", 99, T0.AddMinutes(9)));

        (await Cache.ListAsync("vms-1", null, 10, None)).Select(r => r.TakenAt).ShouldBe([T0, T0.AddMinutes(5)]);
    }

    [Fact]
    public async Task SystemSetting_SavedAgain_IsReplaced()
    {
        var settings = Database.Get<ISystemSettings>();
        (await settings.FindAsync("failbackPolicy", None)).ShouldBeNull();

        await ApplyAsync(new SaveSystemSetting("failbackPolicy", "1"), new SaveSystemSetting("failbackPolicy", "2"), new SaveSystemSetting("other", "{}"));
        await ApplyAsync(new SaveSystemSetting("failbackPolicy", """{"a":"ä"}"""));

        (await settings.FindAsync("failbackPolicy", None)).ShouldBe("""{"a":"ä"}""");
        (await settings.FindAsync("other", None)).ShouldBe("{}");
    }

    [Fact]
    public async Task License_InstalledAgain_TheNewestInstallationCounts()
    {
        var licenses = Database.Get<ILicenses>();
        (await licenses.FindCurrentAsync(None)).ShouldBeNull();
        var document = """{"site":"Süd",  "features":["failover"]}""";

        await ApplyAsync(new InstallLicense(new("old", "sig", T0.AddHours(1), "olga")));
        await ApplyAsync(new InstallLicense(new(document, "sig-2", T0, "otto")));

        (await licenses.FindCurrentAsync(None)).ShouldBe(new SignedLicense(document, "sig-2", T0, "otto"));
        (await Database.CountAsync("licenses")).ShouldBe(2);
    }

    private static SaveSettings Save(string source, long epoch, long revision, string sha256, DateTimeOffset takenAt) =>
        new(new CachedSettings("vms-1", source, epoch, revision, sha256, takenAt, Content("[]")));

    private static SettingsContent Content(string channels)
    {
        var empty = JsonElement.Parse("[]");
        return new(JsonElement.Parse(channels), empty, empty, empty, JsonElement.Parse("{}"), []);
    }
}
