namespace FailbackWorkflows.Recorders;

/// <summary>Where a recorder is and how to sign in there.</summary>
/// <param name="ServerId">The management server's id of the recorder; also the name of its own recorded identity.</param>
/// <param name="BaseUrl">Root of the recorder's API, e.g. <c>http://127.0.0.1:5101/</c>. Plain HTTP is accepted on loopback only.</param>
/// <param name="Credential">Bearer token. Never logged: <see cref="ToString"/> leaves it out.</param>
public sealed record RecorderEndpoint(string ServerId, Uri BaseUrl, string Credential)
{
    public override string ToString() => $"{ServerId} ({BaseUrl})";
}
