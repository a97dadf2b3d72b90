using Microsoft.Extensions.Options;

namespace FailbackWorkflows.Server.Workflows;

/// <summary>Where workflows may send HTTP requests: section <c>Failback:Http</c> of the configuration. Default: nowhere.</summary>
public sealed class OutboundHttpOptions
{
    public const string Section = "Failback:Http";

    /// <summary>
    /// Hosts that requests may go to: a name (<c>alarms.example.com</c>), an address (<c>10.1.2.3</c>), either with a port (<c>erp.local:8443</c>;
    /// without one it is 80 or 443), or a network (<c>10.1.0.0/16</c>). A name that leads to an address of a private, loopback or link-local
    /// network is used only if that address is listed, too, by itself or by its network. Default: none, so every request is refused.
    /// </summary>
    public IList<string> AllowedHosts { get; set; } = [];

    /// <summary>Secrets that definitions name as <c>secret:NAME</c> in the Authorization or another header. Better given by the environment (<c>Failback__Http__Secrets__NAME</c>).</summary>
    public IDictionary<string, string> Secrets { get; set; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>How long a request may take, from the look-up of the host to the last byte; 1 s to 10 min. Default: 30 s.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Largest answer; 1 KiB to 16 MiB. It becomes part of the run's journal. Default: 1 MiB.</summary>
    public int MaxAnswerBytes { get; set; } = 1024 * 1024;
}

/// <summary>Stops the start with sentences when a setting makes no sense.</summary>
internal sealed class OutboundHttpOptionsCheck : IValidateOptions<OutboundHttpOptions>
{
    public ValidateOptionsResult Validate(string? name, OutboundHttpOptions options)
    {
        var mistakes = new List<string>();
        if (options.Timeout < TimeSpan.FromSeconds(1) || options.Timeout > TimeSpan.FromMinutes(10))
        {
            mistakes.Add($"Failback:Http:Timeout is {options.Timeout}, but must be from 00:00:01 to 00:10:00.");
        }

        if (options.MaxAnswerBytes is < 1024 or > 16 * 1024 * 1024)
        {
            mistakes.Add($"Failback:Http:MaxAnswerBytes is {options.MaxAnswerBytes}, but must be from 1024 to 16777216.");
        }

        mistakes.AddRange(options.AllowedHosts.Select(AllowedHosts.Problem).OfType<string>());
        return mistakes.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(mistakes);
    }
}
