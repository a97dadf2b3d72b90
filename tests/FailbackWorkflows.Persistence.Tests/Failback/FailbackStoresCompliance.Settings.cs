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
        var saved = new CachedSettings("vms-1", "vms-2", 3, 41, SettingsDigest.Compute(content), T0.AddTicks(1), content);

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

    [Fact]
    public async Task SaveSettings_TheSameAgain_OnlyMovesTheTimeOn()
    {
        await ApplyAsync(Save("vms-2", 7, 9, "nine", T0));
        await ApplyAsync(Save("vms-2", 7, 9, "nine", T0.AddHours(1)));

        (await Database.CountAsync("settings_bundles")).ShouldBe(1);
        (await Cache.FindNewestAsync("vms-1", None)).ShouldNotBeNull().TakenAt.ShouldBe(T0.AddHours(1));
    }

    [Fact]
    public async Task SaveSettings_SameRevisionWithAnotherDigest_IsRefused()
    {
        await ApplyAsync(Save("vms-2", 7, 9, "nine", T0));

        var refused = await Should.ThrowAsync<InvalidOperationException>(() => ApplyAsync(Save("vms-2", 7, 9, "forged", T0.AddHours(1))));

        refused.Message.ShouldBe("vms-2 shows revision 9 of the settings of vms-1 with another digest than before: its revisions cannot be trusted.");
        var kept = (await Cache.FindNewestAsync("vms-1", None)).ShouldNotBeNull();
        (kept.Sha256, kept.TakenAt).ShouldBe(("nine", T0));
    }

    [Fact]
    public async Task SaveSettings_SameRevisionOfAnotherSource_IsABundleOfItsOwn()
    {
        await ApplyAsync(Save("vms-2", 7, 9, "two", T0), Save("vms-1", 7, 9, "one", T0));

        (await Cache.FindAsync("vms-1", "two", None)).ShouldNotBeNull().SourceServerId.ShouldBe("vms-2");
        (await Cache.FindAsync("vms-1", "one", None)).ShouldNotBeNull().SourceServerId.ShouldBe("vms-1");
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
