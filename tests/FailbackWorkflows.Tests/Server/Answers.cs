using System.Text.Json;
using Shouldly;

namespace FailbackWorkflows.Tests.Server;

/// <summary>Reads answers of the API.</summary>
internal static class Answers
{
    public static async Task<JsonElement> JsonAsync(HttpResponseMessage answer)
    {
        using var document = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        return document.RootElement.Clone();
    }

    /// <summary>The problem, with a check that it is complete.</summary>
    public static async Task<(string Type, string Detail, JsonElement Body)> ProblemAsync(HttpResponseMessage answer)
    {
        answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        var body = await JsonAsync(answer);
        body.GetProperty("status").GetInt32().ShouldBe((int)answer.StatusCode);
        body.GetProperty("title").GetString().ShouldNotBeNullOrEmpty();
        body.GetProperty("traceId").GetString().ShouldNotBeNullOrEmpty();
        var detail = body.GetProperty("detail").GetString()!;
        detail.ShouldNotContain("FailbackWorkflows.");
        return (body.GetProperty("type").GetString()!, detail, body);
    }
}
