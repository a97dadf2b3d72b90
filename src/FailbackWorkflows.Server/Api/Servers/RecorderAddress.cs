namespace FailbackWorkflows.Server.Api.Servers;

/// <summary>What may be the address of a recorder.</summary>
internal static class RecorderAddress
{
    /// <summary>The address with a closing slash, or null with the reason in <paramref name="errors"/>.</summary>
    public static Uri? Check(string? text, FieldErrors errors, string field)
    {
        if (!errors.Required(field, text, 500))
        {
            return null;
        }

        if (!Uri.TryCreate(text.Trim(), UriKind.Absolute, out var address)
            || (address.Scheme != Uri.UriSchemeHttps && address.Scheme != Uri.UriSchemeHttp)
            || address.Host.Length == 0
            || address.UserInfo.Length > 0
            || address.Query.Length > 0
            || address.Fragment.Length > 0)
        {
            errors.Add(field, "It must be an address like https://recorder-1.example:5101/ without user, query or fragment.");
            return null;
        }

        if (address.Scheme == Uri.UriSchemeHttp && !address.IsLoopback)
        {
            // The credential would travel readable.
            errors.Add(field, "Plain HTTP is possible on this machine only; use https.");
            return null;
        }

        return address.AbsolutePath.EndsWith('/') ? address : new Uri(address.AbsoluteUri + "/");
    }
}
