using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.Settings;

internal static class SettingsEndpoints
{
    private const string PolicyKey = "failbackPolicy";

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

    private static async Task<Ok<FailbackPolicy>> GetPolicyAsync(ISystemSettings settings, CancellationToken cancellationToken) =>
        TypedResults.Ok(await settings.FindAsync(PolicyKey, cancellationToken) is { } json
            ? PlainValue.To<FailbackPolicy>(PlainValue.Parse(json)) ?? new FailbackPolicy()
            : new FailbackPolicy());

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
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(PolicyKey);
        await writer.ApplyAsync(
            [
                new SaveSystemSetting(PolicyKey, PlainValue.ToJson(PlainValue.From(policy))),
                new Notify(new ChangeNotification("settings", PolicyKey, "The rules for failbacks were changed.", time.GetUtcNow())),
            ],
            cancellationToken);
        return TypedResults.Ok(policy);
    }
}
