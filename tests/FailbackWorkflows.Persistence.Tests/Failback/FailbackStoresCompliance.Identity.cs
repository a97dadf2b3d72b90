using System.Xml.Linq;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Testing.Persistence;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Failback;

/// <summary>Who may come in, and what they did.</summary>
public abstract partial class FailbackStoresCompliance
{
    private IApiKeys Keys => Database.Get<IApiKeys>();

    [Fact]
    public async Task ApiKey_Added_IsFoundByItsHash()
    {
        var key = new ApiKey("key-1", "Monitoring", "ab12", "operator", T0.AddTicks(1), "olga", T0.AddDays(1), null);

        await Keys.AddAsync(key, None);

        (await Keys.FindByHashAsync("ab12", None)).ShouldBe(key);
        (await Keys.FindByHashAsync("AB12", None)).ShouldBeNull();
        (await Keys.FindByHashAsync("cd34", None)).ShouldBeNull();
    }

    [Fact]
    public async Task ApiKey_RevokedTwice_KeepsTheFirstTime()
    {
        await Keys.AddAsync(new("key-1", "Monitoring", "ab12", "operator", T0, "olga", null, null), None);

        (await Keys.RevokeAsync("key-1", T0.AddHours(1), None)).ShouldBeTrue();
        (await Keys.RevokeAsync("key-1", T0.AddHours(2), None)).ShouldBeTrue();
        (await Keys.RevokeAsync("nobody", T0, None)).ShouldBeFalse();

        (await Keys.FindByHashAsync("ab12", None)).ShouldNotBeNull().RevokedAt.ShouldBe(T0.AddHours(1));
    }

    [Fact]
    public async Task ApiKeys_Listed_NewestFirstWithRevokedOnes()
    {
        await Keys.AddAsync(new("key-1", "a", "1", "operator", T0, "olga", null, null), None);
        await Keys.AddAsync(new("key-2", "b", "2", "operator", T0.AddHours(1), "olga", null, null), None);
        await Keys.RevokeAsync("key-1", T0.AddHours(2), None);

        (await Keys.ListAsync(new(), None)).Select(k => k.Id).ShouldBe(["key-2", "key-1"]);
    }

    [Fact]
    public async Task ApiKeys_PagedAndSearched_ShowsEachOnceNewestFirst()
    {
        // Two keys share each instant.
        for (var i = 0; i < 7; i++)
        {
            await Keys.AddAsync(new($"key-{i}", i == 3 ? "Report Reader" : "x", $"{i}", "viewer", T0.AddHours(i / 2), i == 5 ? "Olga Operator" : "admin", null, null), None);
        }

        var all = (await Keys.ListAsync(new(), None)).Select(k => k.Id).ToList();
        var seen = new List<string>();
        while (await Keys.ListAsync(new(Before: seen.LastOrDefault(), Take: 3), None) is { Count: > 0 } page)
        {
            seen.AddRange(page.Select(k => k.Id));
        }

        seen.ShouldBe(all);
        seen.ShouldBe(["key-6", "key-4", "key-5", "key-2", "key-3", "key-0", "key-1"]);
        (await Keys.ListAsync(new("report"), None)).Select(k => k.Id).ShouldBe(["key-3"]);
        (await Keys.ListAsync(new("olga"), None)).Select(k => k.Id).ShouldBe(["key-5"]);
        (await Keys.ListAsync(new(Before: "nobody"), None)).ShouldBeEmpty();
    }

    [Fact]
    public async Task ApiKey_SameHashTwice_IsRefused()
    {
        await Keys.AddAsync(new("key-1", "a", "1", "operator", T0, "olga", null, null), None);

        await Should.ThrowAsync<DbUpdateException>(() => Keys.AddAsync(new("key-2", "b", "1", "operator", T0, "olga", null, null), None));

        (await Keys.ListAsync(new(), None)).Count.ShouldBe(1);
    }

    [Fact]
    public async Task AuditLog_Appended_KeepsEveryRecordInOrder()
    {
        var log = Database.Get<IAuditLog>();
        await log.AppendAsync(new(T0.AddTicks(1), new Actor(ActorKind.ApiKey, "key-1", "Monitoring", "192.0.2.1"), "POST /api/servers", "vms-1", "because", "done"), None);
        await log.AppendAsync(new(T0, Actor.System, "restart", null, null, "conflict"), None);

        await using var db = Database.Get<IDatabase>().CreateReadContext();
        var rows = db.AuditLog.OrderBy(r => r.Sequence).ToList();
        rows.Select(r => (r.At, r.ActorKind, r.ActorId, r.ActorName, r.Address, r.Action, r.Subject, r.Reason, r.Result)).ShouldBe(
        [
            (T0.AddTicks(1), "ApiKey", "key-1", "Monitoring", "192.0.2.1", "POST /api/servers", "vms-1", "because", "done"),
            (T0, "System", "system", "System", null, "restart", null, null, "conflict"),
        ]);
        var read = await log.ReadAsync(0, 10, None);
        read.Select(e => e.Record).ShouldBe(
        [
            new(T0.AddTicks(1), new Actor(ActorKind.ApiKey, "key-1", "Monitoring", "192.0.2.1"), "POST /api/servers", "vms-1", "because", "done"),
            new(T0, Actor.System, "restart", null, null, "conflict"),
        ]);
        (await log.ReadAsync(read[0].Sequence, 10, None)).ShouldBe([read[1]]);
        (await log.ReadAsync(0, 1, None)).ShouldBe([read[0]]);
    }

    [Fact]
    public async Task DataProtectionKeys_Stored_AreThereAfterARestart()
    {
        Database.Get<IXmlRepository>().GetAllElements().ShouldBeEmpty();
        Database.Get<IXmlRepository>().StoreElement(XElement.Parse("""<key id="1"><text> a &amp; „b“ </text></key>"""), "key-1");
        Database.Get<IXmlRepository>().StoreElement(XElement.Parse("<key id=\"2\" />"), "key-2");

        await Database.RestartAsync();

        var keys = Database.Get<IXmlRepository>().GetAllElements().ToList();
        keys.Select(k => k.Attribute("id")!.Value).ShouldBe(["1", "2"]);
        keys[0].Element("text")!.Value.ShouldBe(" a & „b“ ");
    }

    [Fact]
    public async Task Users_SavedWhileStoresWrite_NeitherIsLockedOut()
    {
        var attempts = await Together.RunAsync(4, async writer =>
        {
            for (var i = 0; i < 10; i++)
            {
                if (writer % 2 == 0)
                {
                    await ApplyAsync(Changed($"{writer}-{i}"));
                }
                else
                {
                    await using var scope = Database.CreateScope();
                    var db = scope.ServiceProvider.GetRequiredService<FailbackDbContext>();
                    db.Users.Add(new FailbackUser { UserName = $"user-{writer}-{i}", NormalizedUserName = $"USER-{writer}-{i}", DisplayName = "Olga", LockoutEnd = T0.AddTicks(1) });
                    await db.SaveChangesAsync();
                }
            }
        });

        attempts.Select(a => a.Exception).ShouldAllBe(e => e == null);
        (await Database.CountAsync("users")).ShouldBe(20);
        (await Database.CountAsync("change_notifications")).ShouldBe(20);
    }

    [Fact]
    public async Task Users_ChangedByTwo_TheSecondIsRefused()
    {
        await using (var scope = Database.CreateScope())
        {
            var db = scope.ServiceProvider.GetRequiredService<FailbackDbContext>();
            db.Users.Add(new FailbackUser { Id = "user-1", UserName = "olga", NormalizedUserName = "OLGA", ConcurrencyStamp = "1" });
            await db.SaveChangesAsync();
        }

        await using var firstScope = Database.CreateScope();
        await using var secondScope = Database.CreateScope();
        var first = firstScope.ServiceProvider.GetRequiredService<FailbackDbContext>();
        var second = secondScope.ServiceProvider.GetRequiredService<FailbackDbContext>();
        var one = (await first.Users.FindAsync("user-1"))!;
        var other = (await second.Users.FindAsync("user-1"))!;
        (one.DisplayName, one.ConcurrencyStamp) = ("Olga", "2");
        (other.DisplayName, other.ConcurrencyStamp) = ("Otto", "3");

        await first.SaveChangesAsync();
        await Should.ThrowAsync<DbUpdateConcurrencyException>(() => second.SaveChangesAsync());
    }
}
