using FailbackWorkflows.Failback.Licensing;

namespace FailbackWorkflows.Server.Pages.System;

/// <summary>The licence and what a failback would say to it, as shown.</summary>
public sealed record LicenseView(Badge Badge, string Sentence, LicenseDocument? License)
{
    /// <summary>Recorders that are registered, of those the licence covers.</summary>
    public int Registered { get; init; }

    public static LicenseView Of(LicenseVerdict verdict) => verdict switch
    {
        { IsLicensed: true, Message: null } => new(new Badge("Valid", "ok"), "Failover and failback are licensed.", verdict.License),
        { IsLicensed: true, Message: { } warning } => new(new Badge("In its grace period", "warn"), warning, verdict.License),
        _ => new(new Badge("Not licensed", "bad"), $"{verdict.Message} Until then every failback is refused by its licence check.", verdict.License),
    };
}
