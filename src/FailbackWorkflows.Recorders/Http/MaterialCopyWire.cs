using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Recorders.Http;

/// <summary>Body of <c>POST /v1/retention-holds/{entryId}:release</c>; the authority travels in headers.</summary>
public sealed record ReleaseHoldBody(string Identity, string TaskId, HoldRelease Release, string Reason);
