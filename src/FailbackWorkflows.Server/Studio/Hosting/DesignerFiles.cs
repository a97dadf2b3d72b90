using System.IO.Compression;
using FailbackWorkflows.Server.Hosting;
using Microsoft.AspNetCore.StaticFiles;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;

namespace FailbackWorkflows.Server.Studio.Hosting;

/// <summary>Where the files of the designer's package lie beside the program, and whether they do.</summary>
public sealed class DesignerFolder
{
    /// <summary>Below which the designer is served.</summary>
    public const string BasePath = "/studio";

    private readonly string _folder;

    public DesignerFolder(IOptions<ServerOptions> options) =>
        _folder = Path.GetFullPath(options.Value.DesignerPath ?? Path.Combine(AppContext.BaseDirectory, "studio"));

    /// <summary>False: the server was built without Node, or its files were not brought along.</summary>
    public bool IsInstalled => Find("_framework/blazor.webassembly.js") is not null;

    /// <summary>The file that a path of the package names, in one of the forms it is kept in; null when there is none.</summary>
    internal StoredFile? Find(string path)
    {
        var plain = Path.GetFullPath(Path.Combine(_folder, path));
        if (!plain.StartsWith(_folder + Path.DirectorySeparatorChar, StringComparison.Ordinal))
        {
            return null;
        }

        var file = new StoredFile(plain, Exists(plain), Exists(plain + ".br"), Exists(plain + ".gz"));
        return file.Plain is null && file.Brotli is null && file.Gzip is null ? null : file;

        static FileInfo? Exists(string name) => new FileInfo(name) is { Exists: true } found ? found : null;
    }

    /// <summary>A file of the package: as it is, and compressed.</summary>
    internal sealed record StoredFile(string Path, FileInfo? Plain, FileInfo? Brotli, FileInfo? Gzip);
}

/// <summary>
/// Serves the files of the designer's package: compressed as they came when the browser takes that. A file with a hash in its name never changes and is kept for
/// a year; every other one is asked for again, and is usually still the same.
/// </summary>
internal sealed class DesignerFiles(RequestDelegate next, DesignerFolder folder)
{
    private static readonly FileExtensionContentTypeProvider ContentTypes = MakeContentTypes();

    public Task InvokeAsync(HttpContext context) =>
        (HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method))
        && context.Request.Path.StartsWithSegments(DesignerFolder.BasePath, out var rest)
        && IsOfThePackage(rest.Value)
        && folder.Find(rest.Value![1..]) is { } file
            ? SendAsync(context, file)
            : next(context);

    /// <summary>The package's own folders and files; everything else below the base is ours.</summary>
    private static bool IsOfThePackage(string? path) =>
        path is not null
        && (path.StartsWith("/_framework/", StringComparison.Ordinal)
            || path.StartsWith("/_content/", StringComparison.Ordinal)
            || path is "/Elsa.Studio.Host.CustomElements.styles.css" or "/appsettings.json");

    private static async Task SendAsync(HttpContext context, DesignerFolder.StoredFile file)
    {
        var (response, accepted) = (context.Response, AcceptedEncodings(context.Request));
        var (stored, encoding) = file switch
        {
            { Brotli: { } brotli } when accepted.Contains("br") => (brotli, "br"),
            { Gzip: { } gzip } when accepted.Contains("gzip") => (gzip, "gzip"),
            { Plain: { } plain } => (plain, null),
            _ => (file.Brotli ?? file.Gzip!, null),
        };
        response.ContentType = ContentTypes.TryGetContentType(file.Path, out var type) ? type : "application/octet-stream";
        response.Headers.CacheControl = HasFingerprint(file.Path) ? "public, max-age=31536000, immutable" : "public, no-cache";
        if (file.Brotli is not null || file.Gzip is not null)
        {
            response.Headers.Vary = HeaderNames.AcceptEncoding;
        }

        var tag = new EntityTagHeaderValue($"\"{stored.LastWriteTimeUtc.Ticks:x}-{stored.Length:x}{(encoding is null ? "" : "-" + encoding)}\"");
        response.GetTypedHeaders().ETag = tag;
        if (context.Request.GetTypedHeaders().IfNoneMatch.Any(known => known.Compare(tag, useStrongComparison: false)))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        if (encoding is null && stored != file.Plain)
        {
            await SendUnpackedAsync(context, stored);
            return;
        }

        response.Headers.ContentEncoding = encoding;
        response.ContentLength = stored.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await response.SendFileAsync(stored.FullName, context.RequestAborted);
        }
    }

    /// <summary>For whoever takes no compression: no browser, so the plain files are not kept.</summary>
    private static async Task SendUnpackedAsync(HttpContext context, FileInfo stored)
    {
        if (HttpMethods.IsHead(context.Request.Method))
        {
            return;
        }

        await using var packed = stored.OpenRead();
        await using Stream unpacked = stored.Extension == ".br" ? new BrotliStream(packed, CompressionMode.Decompress) : new GZipStream(packed, CompressionMode.Decompress);
        await unpacked.CopyToAsync(context.Response.Body, context.RequestAborted);
    }

    private static HashSet<string> AcceptedEncodings(HttpRequest request) =>
        [.. request.GetTypedHeaders().AcceptEncoding.Where(encoding => encoding.Quality is not 0).Select(encoding => encoding.Value.Value!)];

    /// <summary><c>name.1a2b3c4d5e.wasm</c> in the framework's folder.</summary>
    private static bool HasFingerprint(string path) =>
        path.Contains("/_framework/", StringComparison.Ordinal) && Path.GetFileName(path) is not ("blazor.webassembly.js" or "dotnet.js");

    private static FileExtensionContentTypeProvider MakeContentTypes()
    {
        var types = new FileExtensionContentTypeProvider();
        types.Mappings[".wasm"] = "application/wasm";
        types.Mappings[".dat"] = "application/octet-stream";
        types.Mappings[".blat"] = "application/octet-stream";
        types.Mappings[".bin"] = "application/octet-stream";
        types.Mappings[".webmanifest"] = "application/manifest+json";
        types.Mappings[".woff2"] = "font/woff2";
        types.Mappings[".cur"] = "image/x-icon";
        return types;
    }
}
