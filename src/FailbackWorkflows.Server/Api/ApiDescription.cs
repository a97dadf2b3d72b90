using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace FailbackWorkflows.Server.Api;

/// <summary>What the OpenAPI document says beyond the routes themselves.</summary>
internal static class ApiDescription
{
    public static void Configure(OpenApiOptions options)
    {
        options.AddSchemaTransformer(TellText);
        options.AddDocumentTransformer(DescribeAsync);
    }

    /// <summary>Text goes through a converter of ours, of which the generator only knows that it is one.</summary>
    private static Task TellText(OpenApiSchema schema, OpenApiSchemaTransformerContext context, CancellationToken cancellationToken)
    {
        var isText = context.JsonTypeInfo.Type == typeof(string) || context.JsonTypeInfo.Type == typeof(DateTimeOffset) || context.JsonTypeInfo.Type == typeof(DateTimeOffset?);
        if (isText && schema.Type is null)
        {
            schema.Type = context.JsonPropertyInfo?.IsGetNullable == true ? JsonSchemaType.String | JsonSchemaType.Null : JsonSchemaType.String;
        }

        return Task.CompletedTask;
    }

    private static Task DescribeAsync(OpenApiDocument document, OpenApiDocumentTransformerContext context, CancellationToken cancellationToken)
    {
        document.Info.Title = "FailbackWorkflows management server";
        document.Info.Description =
            "Errors are application/problem+json; 'type' is urn:failback:<name>, 'detail' a sentence for an operator, 'traceId' finds the log line.";
        document.Components ??= new OpenApiComponents();
        document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
        {
            ["apiKey"] = new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer", Description = "An API key: Authorization: Bearer fbk_…" },
            ["apiKeyHeader"] = new OpenApiSecurityScheme { Type = SecuritySchemeType.ApiKey, In = ParameterLocation.Header, Name = "X-Api-Key" },
            ["openId"] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http,
                Scheme = "bearer",
                BearerFormat = "JWT",
                Description = "A token of the site's identity provider, where one is configured: Authorization: Bearer eyJ…",
            },
            ["session"] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.ApiKey,
                In = ParameterLocation.Cookie,
                Name = "failback.session",
                Description = "A signed-in browser; changes also need the header X-Antiforgery-Token from GET /api/v1/me.",
            },
        };
        document.Security =
        [
            new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("apiKey", document)] = [] },
            new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("apiKeyHeader", document)] = [] },
            new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("openId", document)] = [] },
            new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("session", document)] = [] },
        ];
        return Task.CompletedTask;
    }
}
