using FailbackWorkflows.Recorders;
using FailbackWorkflows.ReferenceRecorder.Commands;

namespace FailbackWorkflows.ReferenceRecorder.Faults;

/// <summary>What goes wrong on purpose.</summary>
public enum FaultAction
{
    /// <summary>The request is carried out; its answer is held back for <see cref="FaultOrder.DelayMs"/>.</summary>
    DelayBeforeAnswer,

    /// <summary>The request is carried out; the connection is then cut without an answer.</summary>
    DropAfterEffect,

    /// <summary>The request is not carried out and answered with <see cref="FaultOrder.Status"/>.</summary>
    Status,
}

/// <summary>Body of <c>POST /test/faults</c>: the next <paramref name="Times"/> requests to <paramref name="Path"/> go wrong.</summary>
/// <param name="Path">Exact path, or a prefix that ends with <c>*</c>.</param>
/// <param name="Method">HTTP method; null for any.</param>
public sealed record FaultOrder(string Path, int Times, FaultAction Action, string? Method = null, int DelayMs = 0, int Status = 503);

/// <summary>Fault injection for scenario tests. Only there when the recorder was started with <c>--test-faults true</c>.</summary>
public sealed class FaultInjection(TimeProvider time)
{
    private const string Route = "/test/faults";

    private readonly Lock _lock = new();
    private readonly List<(FaultOrder Order, int Left)> _orders = [];

    public static void Use(WebApplication app)
    {
        var faults = app.Services.GetRequiredService<FaultInjection>();
        app.Use(faults.InvokeAsync);
    }

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost(Route, async (HttpContext context, FaultInjection faults) =>
        {
            var (order, _) = await RequestReader.ReadAsync<FaultOrder>(context);
            if (order.Times < 1 || order.DelayMs is < 0 or > 600_000 || order.Status is < 400 or > 599)
            {
                throw Refusal.Malformed("Times must be 1 or more, delayMs 0 to 600000, status 400 to 599.");
            }

            faults.Add(order);
            await Answer.Ok(order).WriteAsync(context);
        }).Accepts<FaultOrder>("application/json").WithSummary("Lets requests go wrong on purpose.");

        routes.MapDelete(Route, (FaultInjection faults) =>
        {
            faults.Clear();
            return Results.NoContent();
        }).WithSummary("Forgets all faults.");
    }

    private void Add(FaultOrder order)
    {
        lock (_lock)
        {
            _orders.Add((order, order.Times));
        }
    }

    private void Clear()
    {
        lock (_lock)
        {
            _orders.Clear();
        }
    }

    private async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        switch (Take(context.Request))
        {
            case { Action: FaultAction.Status } order:
                await Answer.Problem(order.Status, RecorderProblems.Busy, "This answer was ordered by a test.").WriteAsync(context);
                break;
            case { Action: FaultAction.DropAfterEffect }:
                context.Response.Body = Stream.Null;
                await next(context);
                context.Abort();
                break;
            case { Action: FaultAction.DelayBeforeAnswer } order:
                await AnswerLateAsync(context, next, TimeSpan.FromMilliseconds(order.DelayMs));
                break;
            default:
                await next(context);
                break;
        }
    }

    private async Task AnswerLateAsync(HttpContext context, RequestDelegate next, TimeSpan delay)
    {
        var wire = context.Response.Body;
        using var held = new MemoryStream();
        context.Response.Body = held;
        await next(context);
        await Task.Delay(delay, time, context.RequestAborted);
        context.Response.Body = wire;
        held.Position = 0;
        await held.CopyToAsync(wire, context.RequestAborted);
    }

    private FaultOrder? Take(HttpRequest request)
    {
        lock (_lock)
        {
            var index = request.Path == Route ? -1 : _orders.FindIndex(o => Matches(o.Order, request));
            if (index < 0)
            {
                return null;
            }

            var (order, left) = _orders[index];
            if (left > 1)
            {
                _orders[index] = (order, left - 1);
            }
            else
            {
                _orders.RemoveAt(index);
            }

            return order;
        }
    }

    private static bool Matches(FaultOrder order, HttpRequest request)
    {
        var path = request.Path.Value ?? "";
        return (order.Method is null || string.Equals(order.Method, request.Method, StringComparison.OrdinalIgnoreCase))
            && (order.Path.EndsWith('*') ? path.StartsWith(order.Path[..^1], StringComparison.Ordinal) : path == order.Path);
    }
}
