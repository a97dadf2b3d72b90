using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.Net.Http.Headers;

namespace FailbackWorkflows.Server.Api;

/// <summary>
/// A field holds U+0000, which is no text: nobody types it, and not every database stores it. Refused at every door before anything is done: in JSON
/// by <see cref="TextConverter"/>, in forms and addresses by <see cref="TextOnly"/>.
/// </summary>
internal sealed class NotTextException(string field) : BadHttpRequestException(Sentence)
{
    /// <summary>As in <see cref="FieldErrors"/>.</summary>
    public const string Sentence = "It contains characters that are not text.";

    public string Field { get; } = field;
}

/// <summary>Text in JSON, values and names of members alike.</summary>
internal sealed class TextConverter : JsonConverter<string>
{
    public override string? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => Checked(reader.GetString());

    public override void Write(Utf8JsonWriter writer, string value, JsonSerializerOptions options) => writer.WriteStringValue(value);

    public override string ReadAsPropertyName(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => Checked(reader.GetString())!;

    public override void WriteAsPropertyName(Utf8JsonWriter writer, string value, JsonSerializerOptions options) => writer.WritePropertyName(value);

    private static string? Checked(string? text) => text is null || !text.Contains('\0') ? text : throw new NotText();

    /// <summary>The reader adds where it was.</summary>
    public sealed class NotText() : JsonException(NotTextException.Sentence)
    {
        /// <summary>The member, as the problem's <c>errors</c> name it.</summary>
        public string Field => Path is null or "$" ? "body" : Path.StartsWith("$.", StringComparison.Ordinal) ? Path[2..] : Path;
    }
}

/// <summary>The body names a character set that does not exist.</summary>
internal sealed class UnknownCharacterSetException() : BadHttpRequestException("Unknown character set.", StatusCodes.Status415UnsupportedMediaType);

/// <summary>Forms and queries, whoever reads them later.</summary>
internal sealed class TextOnly(RequestDelegate next)
{
    public async Task InvokeAsync(HttpContext context)
    {
        // The page that tells of an error runs the same request again.
        if (context.Features.Get<IExceptionHandlerFeature>() is null)
        {
            Check(context.Request.Query);
            CheckCharacterSet(context.Request);
            if (MediaTypeHeaderValue.TryParse(context.Request.ContentType, out var given) && given.MediaType.Equals("application/x-www-form-urlencoded", StringComparison.OrdinalIgnoreCase))
            {
                await CheckEncodedAsync(context.Request);
            }
            else if (context.Request.HasFormContentType && await ReadFormAsync(context) is { } form)
            {
                Check(form);
            }
        }

        await next(context);
    }

    /// <summary>The framework reads the body by whatever the sender names, and has no answer for a name that does not exist.</summary>
    private static void CheckCharacterSet(HttpRequest request)
    {
        if (MediaTypeHeaderValue.TryParse(request.ContentType, out var type) && type.Charset.HasValue && type.Encoding is null)
        {
            throw new UnknownCharacterSetException();
        }
    }

    private static void Check(IEnumerable<KeyValuePair<string, Microsoft.Extensions.Primitives.StringValues>> fields)
    {
        foreach (var (name, values) in fields)
        {
            if (name.Contains('\0') || values.Any(value => value?.Contains('\0') == true))
            {
                throw new NotTextException(name.Replace("\0", "", StringComparison.Ordinal));
            }
        }
    }

    /// <summary>Before it is read as a form: the framework refuses it as a whole, and does not say because of which field.</summary>
    private static async Task CheckEncodedAsync(HttpRequest request)
    {
        request.EnableBuffering();
        using var reader = new StreamReader(request.Body, leaveOpen: true);
        var body = await reader.ReadToEndAsync(request.HttpContext.RequestAborted);
        request.Body.Position = 0;
        if (body.Contains("%00", StringComparison.Ordinal) || body.Contains('\0'))
        {
            var field = body.Split('&').First(pair => pair.Contains("%00", StringComparison.Ordinal) || pair.Contains('\0'));
            throw new NotTextException(WebUtility.UrlDecode(field.Split('=')[0]).Replace("\0", "", StringComparison.Ordinal));
        }
    }

    private static async Task<IFormCollection?> ReadFormAsync(HttpContext context)
    {
        try
        {
            return await context.Request.ReadFormAsync(context.RequestAborted);
        }
        catch (InvalidDataException)
        {
            // No form at all. Whoever wants one hears so again, and has an answer for it.
            return null;
        }
    }
}
