namespace FailbackWorkflows.Recorders.Material;

/// <summary>
/// Body of <c>PUT /v1/read-tokens/{tokenId}</c> at the source: a credential with which another recorder may read the material of one identity
/// and period, and nothing else. The same token id with the same content gives the same token again; a larger generation gives a new one and
/// ends the former.
/// </summary>
/// <param name="Generation">From 1; grown to rotate the token.</param>
public sealed record ReadTokenRequest(string Identity, DateTimeOffset FromUtc, DateTimeOffset ToUtc, int Generation, string Reason);

/// <summary>The answer. <paramref name="Token"/> is a secret: never logged, never kept in clear.</summary>
public sealed record ReadToken(string TokenId, string Identity, DateTimeOffset FromUtc, DateTimeOffset ToUtc, int Generation, string Token)
{
    public override string ToString() => $"{TokenId} ({Identity}, generation {Generation})";
}
