using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.Settings;

internal static class SettingsEndpoints
{
    public static void MapSettings(this IEndpointRouteBuilder api)
    {
        var settings = api.MapGroup("/settings").WithTags("Settings");
        settings.MapGet("/failback-policy", GetPolicyAsync)
            .RequireAuthorization(Permissions.Read)
            .WithSummary("Rules of the site for failbacks");
        settings.MapPut("/failback-policy", PutPolicyAsync)
            .RequireAuthorization(Permissions.Administer)
            .WithSummary("Changes the rules of the site for failbacks");
    }

    private static async Task<Ok<FailbackPolicy>> GetPolicyAsync(FailbackPolicies policies, CancellationToken cancellationToken) =>
        TypedResults.Ok(await policies.GetAsync(cancellationToken));

    private static async Task<Results<Ok<FailbackPolicy>, Problem>> PutPolicyAsync(
        FailbackPolicy policy,
        HttpContext context,
        IDomainWriter writer,
        TimeProvider time,
        CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        errors.Between("confirmTimeout", policy.ConfirmTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10));
        errors.Between("handOverTimeout", policy.HandOverTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10));
        if (policy.MaterialCopyBytesPerSecond < ControlMaterialCopy.LeastBytesPerSecond)
        {
            errors.Add("materialCopyBytesPerSecond", $"It must be at least {ControlMaterialCopy.LeastBytesPerSecond}, or null for no limit.");
        }

        errors.Optional("supersededMaterialReason", policy.SupersededMaterialReason, 1000);
        if (policy.SupersededMaterial == SupersededMaterialPolicy.MarkDone)
        {
            // Material is given up by this rule; each entry will say why.
            errors.Required("supersededMaterialReason", policy.SupersededMaterialReason, 1000);
        }

        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(FailbackPolicies.Key, policy.SupersededMaterialReason);
        await writer.ApplyAsync(
            [
                new SaveSystemSetting(FailbackPolicies.Key, FailbackPolicies.ToJson(policy)),
                new Notify(new ChangeNotification("settings", FailbackPolicies.Key, "The rules for failbacks were changed.", time.GetUtcNow())),
            ],
            cancellationToken);
        return TypedResults.Ok(policy);
    }
}
