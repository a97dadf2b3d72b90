using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Scenarios of the designer run one after the other: its program is interpreted in the browser, which is work for one core.</summary>
[CollectionDefinition(Name)]
public sealed class Designers
{
    public const string Name = "designer";
}
