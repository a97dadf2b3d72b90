using System.Net;
using System.Net.Http.Json;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>Events and tasks of workflows by HTTP.</summary>
[Collection(ServerTests.Name)]
public sealed class EventApiTests(ServerHarness server)
{
    [Fact]
    public async Task Event_NobodyWaits_IsPublishedAndReachesNobody()
    {
        using var client = server.Administrator();

        var answer = await Answers.JsonAsync(await client.PostAsJsonAsync("/api/v1/events/disk-replaced", new { requestId = "r-1", payload = new { bay = 3 } }));

        answer.GetProperty("runIds").GetArrayLength().ShouldBe(0);
        server.Audit.Records.ShouldContain(r => r.Subject == "disk-replaced");
    }

    [Fact]
    public async Task Event_WithoutARequestId_IsRefusedByField()
    {
        using var client = server.Administrator();

        var answer = await client.PostAsJsonAsync("/api/v1/events/disk-replaced", new { });

        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await Answers.ProblemAsync(answer)).Type.ShouldBe("urn:failback:invalid-fields");
    }

    [Theory]
    [InlineData("7up", "{}")]
    [InlineData("disk%0Areplaced", "{}")]
    [InlineData("disk-replaced", "true")]
    public async Task Event_NameOrPayloadThatIsNone_IsRefusedByField(string name, string payload)
    {
        using var client = server.Administrator();

        var answer = await client.PostAsJsonAsync($"/api/v1/events/{name}", new { requestId = "r-2", payload = System.Text.Json.Nodes.JsonNode.Parse(payload) });

        (await Answers.ProblemAsync(answer)).Type.ShouldBe("urn:failback:invalid-fields");
    }

    [Fact]
    public async Task Tasks_None_IsAnEmptyListAndCompletingOneIsUnknown()
    {
        using var client = server.Administrator();

        var list = await Answers.JsonAsync(await client.GetAsync("/api/v1/tasks"));
        var answer = await client.PostAsJsonAsync("/api/v1/tasks/none/complete", new { result = true });

        list.GetProperty("items").GetArrayLength().ShouldBe(0);
        answer.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await Answers.ProblemAsync(answer)).Type.ShouldBe("urn:failback:unknown-task");
    }
}
