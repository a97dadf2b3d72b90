using System.Net.Http.Headers;
using System.Text;

namespace FailbackWorkflows.Tests.Malformed;

/// <summary>A request that is wrong in at least one way that no service may accept.</summary>
internal sealed record BrokenRequest(HttpMethod Method, string PathAndQuery, byte[]? Body, string? ContentType, IReadOnlyList<(string Name, string Value)> Headers, string Fault)
{
    private const int MostShown = 300;

    public HttpRequestMessage ToMessage()
    {
        var message = new HttpRequestMessage(Method, new Uri(PathAndQuery, UriKind.Relative));
        if (Body is not null)
        {
            message.Content = new ByteArrayContent(Body);
            if (ContentType is not null)
            {
                message.Content.Headers.TryAddWithoutValidation("Content-Type", ContentType);
            }
        }

        foreach (var (name, value) in Headers)
        {
            if (name == "Content-Encoding" && message.Content is not null)
            {
                message.Content.Headers.TryAddWithoutValidation(name, value);
            }
            else
            {
                message.Headers.TryAddWithoutValidation(name, value);
            }
        }

        return message;
    }

    public override string ToString()
    {
        var body = Body is null ? "" : $" {Shorten(Encoding.UTF8.GetString(Body))}";
        return $"{Method} {Shorten(PathAndQuery)} [{Fault}] {ContentType}{body}";
    }

    private static string Shorten(string text) => text.Length <= MostShown ? text : $"{text[..MostShown]}… ({text.Length} characters)";
}
