using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Server.Resources;

namespace FailbackWorkflows.Server.Pages.System;

/// <summary>The licence and what a failback would say to it, as shown.</summary>
public sealed record LicenseView(Badge Badge, string Sentence, LicenseDocument? License)
{
    /// <summary>Recorders that are registered, of those the licence covers.</summary>
    public int Registered { get; init; }

    public static LicenseView Of(LicenseVerdict verdict) => verdict switch
    {
        { IsLicensed: true, Message: null } => new(new Badge(Texts.Of("Valid"), "ok"), Texts.Of("Failover and failback are licensed."), verdict.License),
        { IsLicensed: true, Message: { } warning } => new(new Badge(Texts.Of("In its grace period"), "warn"), warning, verdict.License),
        _ => new(new Badge(Texts.Of("Not licensed"), "bad"), Texts.Of("{0} Until then every failback is refused by its licence check.", verdict.Message), verdict.License),
    };
}
