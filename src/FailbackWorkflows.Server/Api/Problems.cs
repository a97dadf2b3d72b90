namespace FailbackWorkflows.Server.Api;

/// <summary>A kind of error: a stable <c>type</c> for programs, a status, a title for people.</summary>
public sealed record ProblemKind(string Name, int Status, string Title)
{
    /// <summary>The <c>type</c> member: <c>urn:failback:name</c>.</summary>
    public string Type => $"urn:failback:{Name}";
}

/// <summary>Every kind of error the API answers with. Names are kept for ever; clients act on them.</summary>
public static class Problems
{
    /// <summary>The request is not HTTP, JSON or UTF-8 as it should be, or its members have the wrong types or names.</summary>
    public static readonly ProblemKind InvalidRequest = new("invalid-request", 400, "The request cannot be read");

    /// <summary>The request can be read, but some of its fields make no sense; <c>errors</c> names them.</summary>
    public static readonly ProblemKind InvalidFields = new("invalid-fields", 400, "Some fields are not valid");

    /// <summary>A change sent with a session cookie lacks the anti-forgery token.</summary>
    public static readonly ProblemKind AntiforgeryTokenMissing = new("antiforgery-token-missing", 400, "The anti-forgery token is missing");

    /// <summary>Nobody is signed in, or the API key is unknown, expired or revoked.</summary>
    public static readonly ProblemKind NotSignedIn = new("not-signed-in", 401, "Sign in first");

    /// <summary>Signed in, but without a role that may do this.</summary>
    public static readonly ProblemKind NotAllowed = new("not-allowed", 403, "Your role does not allow this");

    /// <summary>No such route.</summary>
    public static readonly ProblemKind UnknownRoute = new("unknown-route", 404, "There is nothing at this address");

    public static readonly ProblemKind UnknownServer = new("unknown-server", 404, "There is no such VMS server");

    public static readonly ProblemKind UnknownEntry = new("unknown-entry", 404, "There is no such failover log entry");

    public static readonly ProblemKind UnknownRun = new("unknown-run", 404, "There is no such run");

    /// <summary>No run waits for this task.</summary>
    public static readonly ProblemKind UnknownTask = new("unknown-task", 404, "There is no such task");

    public static readonly ProblemKind UnknownApiKey = new("unknown-api-key", 404, "There is no such API key");

    public static readonly ProblemKind UnknownUser = new("unknown-user", 404, "There is no such user");

    /// <summary>No material copy of the entry has ended yet, so nobody has reported what is covered.</summary>
    public static readonly ProblemKind NoCoverage = new("no-coverage", 404, "There is no coverage report yet");

    /// <summary>The coverage report has no such track.</summary>
    public static readonly ProblemKind UnknownTrack = new("unknown-track", 404, "There is no such restored track");

    public static readonly ProblemKind UnknownSegment = new("unknown-segment", 404, "There is no such restored segment");

    /// <summary>The settings cache has no such bundle, or none of this server at all.</summary>
    public static readonly ProblemKind NoSettings = new("no-settings", 404, "There are no such settings");

    /// <summary>No dry run of the server has been made yet.</summary>
    public static readonly ProblemKind NotCheckedYet = new("not-checked-yet", 404, "It was not looked at yet");

    public static readonly ProblemKind NoLicense = new("no-license", 404, "No licence is installed");

    public static readonly ProblemKind MethodNotAllowed = new("method-not-allowed", 405, "This method is not possible here");

    /// <summary>Another run works on the duty or on one of its recorders; <c>runId</c> and <c>links.run</c> say which.</summary>
    public static readonly ProblemKind RunInTheWay = new("run-in-the-way", 409, "Another run is in the way");

    /// <summary>The thing is in a state that does not allow this.</summary>
    public static readonly ProblemKind Refused = new("refused", 409, "That is not possible now");

    /// <summary>Nobody can take the duty over; <c>errors</c> says of each server of the failover group why not.</summary>
    public static readonly ProblemKind NoFailoverServer = new("no-failover-server", 409, "No failover server can take the duty over");

    /// <summary>Maintenance mode forbids it. An administrator may override it with a reason.</summary>
    public static readonly ProblemKind MaintenanceMode = new("maintenance-mode", 409, "Maintenance mode is on");

    /// <summary>The id or the machine is registered already.</summary>
    public static readonly ProblemKind ServerExists = new("server-exists", 409, "The VMS server exists already");

    public static readonly ProblemKind UserExists = new("user-exists", 409, "The user exists already");

    /// <summary>Somebody else changed it at the same moment.</summary>
    public static readonly ProblemKind ChangedMeanwhile = new("changed-meanwhile", 409, "It was changed by somebody else");

    /// <summary>The segment was restored and is not there any more; it does not come back by itself.</summary>
    public static readonly ProblemKind SegmentGone = new("segment-gone", 410, "The segment is gone");

    public static readonly ProblemKind TooLarge = new("too-large", 413, "The request is too large");

    public static readonly ProblemKind UnsupportedMediaType = new("unsupported-media-type", 415, "The body must be JSON");

    public static readonly ProblemKind RangeNotSatisfiable = new("range-not-satisfiable", 416, "The segment is shorter than that");

    /// <summary>The recorder did not confirm that it is one; nothing was stored.</summary>
    public static readonly ProblemKind ServerNotAdded = new("server-not-added", 422, "The VMS server was not added");

    /// <summary>The licence's signature or content is not valid; the installed one stays.</summary>
    public static readonly ProblemKind LicenseNotValid = new("license-not-valid", 422, "The licence is not valid");

    public static readonly ProblemKind TooManyAttempts = new("too-many-attempts", 429, "Too many attempts");

    /// <summary>Our mistake; the log has the details under the <c>traceId</c>.</summary>
    public static readonly ProblemKind Internal = new("internal", 500, "The server made a mistake");

    /// <summary>The recorder answers, and will not do this until somebody changes something, e.g. its credential.</summary>
    public static readonly ProblemKind RecorderRefuses = new("recorder-refuses", 502, "The recorder refuses");

    /// <summary>The recorder does not answer, or not now; the same request may succeed later.</summary>
    public static readonly ProblemKind RecorderUnavailable = new("recorder-unavailable", 503, "The recorder does not answer");

    /// <summary>The keys by which tokens of the site's identity provider are checked cannot be read from it.</summary>
    public static readonly ProblemKind IdentityProviderUnavailable = new("identity-provider-unavailable", 503, "The identity provider does not answer");

    public static readonly ProblemKind DatabaseUnavailable = new("database-unavailable", 503, "The database does not answer");

    /// <summary>A status that has no kind of its own.</summary>
    public static Problem ForStatus(int status) => status switch
    {
        400 => new(InvalidRequest, "The address, a parameter or the body is not what this request needs. Check it against /openapi/v1.json."),
        401 => new(NotSignedIn, "This needs a signed-in user or an API key. Send the key as 'Authorization: Bearer …' or 'X-Api-Key: …'."),
        403 => new(NotAllowed, "Ask an administrator for a role that allows this."),
        404 => new(UnknownRoute, "Check the address; /openapi/v1.json lists every route."),
        405 => new(MethodNotAllowed, "The Allow header lists the methods that are possible at this address."),
        413 => new(TooLarge, "A request may have at most 1 MiB. Send less at once."),
        415 => new(UnsupportedMediaType, "Send the body as JSON with 'Content-Type: application/json'."),
        429 => new(TooManyAttempts, "Wait a minute, then try again."),
        >= 400 and < 500 => new(InvalidRequest with { Status = status }, "The request could not be handled as it is. Check it against /openapi/v1.json."),
        _ => new(Internal with { Status = status }, "Nothing was changed by this request, or the run it started shows what was. Try again; if it stays, give the traceId to your administrator."),
    };
}
