using System.Buffers.Text;
using System.Security.Cryptography;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Server.Hosting;
using Microsoft.AspNetCore.Identity;

namespace FailbackWorkflows.Server.Identity;

/// <summary>Makes the roles, and on the very first start the administrator and the key for automation. There is no default password.</summary>
internal sealed class FirstAdministrator(
    UserManager<FailbackUser> users,
    RoleManager<IdentityRole> roles,
    IApiKeys keys,
    IAuditLog audit,
    IConfiguration configuration,
    TimeProvider time)
{
    public const string UserName = "admin";
    private const int LeastKeyCharacters = 32;

    public async Task EnsureAsync(TextWriter output, CancellationToken cancellationToken)
    {
        foreach (var role in Roles.All)
        {
            if (!await roles.RoleExistsAsync(role))
            {
                Require(await roles.CreateAsync(new IdentityRole(role)));
            }
        }

        if ((await users.GetUsersInRoleAsync(Roles.Administrator)).Count > 0)
        {
            return;
        }

        var bootstrapKey = configuration["FAILBACK_BOOTSTRAP_API_KEY"];
        if (bootstrapKey is { Length: < LeastKeyCharacters })
        {
            throw new StartRefusedException(ExitCodes.BadSettings, $"FAILBACK_BOOTSTRAP_API_KEY needs at least {LeastKeyCharacters} characters.");
        }

        var given = configuration["FAILBACK_ADMIN_PASSWORD"];
        var password = given ?? Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(18));
        if (await users.FindByNameAsync(UserName) is { } halfMade)
        {
            // A first start that was cut short left an account whose password nobody may have seen.
            Require(await users.DeleteAsync(halfMade));
        }

        var administrator = new FailbackUser { UserName = UserName, DisplayName = "Administrator" };
        Require(await users.CreateAsync(administrator, password));

        // The role comes last: it is what marks the first start as done, so a crash before it repeats everything.
        if (bootstrapKey is not null && await keys.FindByHashAsync(ApiKeySecrets.Hash(bootstrapKey), cancellationToken) is null)
        {
            var now = time.GetUtcNow();
            await keys.AddAsync(
                new ApiKey($"key-{Guid.CreateVersion7(now):N}", "automation (first start)", ApiKeySecrets.Hash(bootstrapKey), Roles.Administrator, now, "system", null, null),
                cancellationToken);
        }

        if (given is null)
        {
            await output.WriteLineAsync($"administrator created: user {UserName} password {password} (shown only now; change it after signing in)");
        }

        await audit.AppendAsync(new AuditRecord(time.GetUtcNow(), Actor.System, "administrator created", UserName, "first start", "done"), cancellationToken);
        Require(await users.AddToRoleAsync(administrator, Roles.Administrator));
    }

    private static void Require(IdentityResult result)
    {
        if (!result.Succeeded)
        {
            throw new StartRefusedException(
                ExitCodes.BadSettings,
                $"The first administrator cannot be made: {string.Join(" ", result.Errors.Select(error => error.Description))}");
        }
    }
}
