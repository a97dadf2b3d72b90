using FailbackWorkflows.Recorders;
using FailbackWorkflows.ReferenceRecorder.Commands;
using Microsoft.AspNetCore.Diagnostics;

namespace FailbackWorkflows.ReferenceRecorder.Access;

/// <summary>Whatever goes wrong is answered as a problem with a type, also what the framework refuses.</summary>
public static partial class ProblemAnswers
{
    public static void UseProblemAnswers(this WebApplication app)
    {
        app.Use(async (context, next) =>
        {
            try
            {
                await next(context);
                if (context.Response is { HasStarted: false, StatusCode: >= 400, ContentLength: null, ContentType: null })
                {
                    await OfStatus(context.Response.StatusCode).WriteAsync(context);
                }
            }
            catch (Exception error) when (!context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
            {
                context.Response.Clear();
                await Of(error, app.Logger, context.Request).WriteAsync(context);
            }
            catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
            {
                LogHungUp(app.Logger, context.Request.Method, context.Request.Path);
            }
        });
    }

    private static Answer Of(Exception error, ILogger logger, HttpRequest request)
    {
        switch (error)
        {
            case Refusal refusal:
                return Answer.Of(refusal);
            case BadHttpRequestException bad:
                return OfStatus(bad.StatusCode);
            default:
                LogFailed(logger, error, request.Method, request.Path);
                return OfStatus(StatusCodes.Status500InternalServerError);
        }
    }

    private static Answer OfStatus(int status) => status switch
    {
        404 => Answer.Problem(status, RecorderProblems.UnknownResource, "There is nothing at this path. Check it against docs/recorder-api.md."),
        405 => Answer.Problem(status, RecorderProblems.MalformedRequest, "This path does not take this method. Check it against docs/recorder-api.md."),
        413 => Answer.Problem(status, RecorderProblems.TooLarge, "The body is larger than this recorder accepts. Send less at once."),
        >= 500 => Answer.Problem(status, RecorderProblems.InternalError, "The recorder failed at this; its log says more. The call may be repeated with the same key."),
        _ => Answer.Problem(status, RecorderProblems.MalformedRequest, "The request was not understood. Check it against docs/recorder-api.md."),
    };

    [LoggerMessage(Level = LogLevel.Error, Message = "{Method} {Path} failed")]
    private static partial void LogFailed(ILogger logger, Exception error, string method, PathString path);

    [LoggerMessage(Level = LogLevel.Debug, Message = "The caller of {Method} {Path} hung up")]
    private static partial void LogHungUp(ILogger logger, string method, PathString path);
}
