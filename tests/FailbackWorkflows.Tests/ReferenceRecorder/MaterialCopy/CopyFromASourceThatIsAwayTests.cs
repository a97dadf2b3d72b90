using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.Testing.Faults;
using Microsoft.AspNetCore.Http;
using Shouldly;
using Xunit;
using Eventually = FailbackWorkflows.Testing.Processes.Eventually;

namespace FailbackWorkflows.Tests.ReferenceRecorder.MaterialCopy;

/// <summary>A source that is away is waited for, also when something in between answers in its place; nothing of it counts as lost for that.</summary>
public sealed class CopyFromASourceThatIsAwayTests
{
    private const int Segments = 30;

    [Theory]
    [InlineData(502)]
    [InlineData(503)]
    [InlineData(504)]
    [InlineData(404)]
    public async Task AnAnswerThatIsNotTheRecorders_MeansThatTheSourceIsAway(int status)
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", Segments);
        host.Source.AddTrack("video-2", Segments);
        var isAway = false;
        host.Source.Instead = async context =>
        {
            isAway |= host.Source.SegmentReads > 12;
            if (!isAway)
            {
                return false;
            }

            await GatewayAsync(context, status);
            return true;
        };
        await host.StartCopyAsync();

        var waiting = await host.UntilAsync(t => t.State is CopyTaskState.WaitingForSource or CopyTaskState.Paused || t.EndedAt is not null);
        waiting.State.ShouldBe(CopyTaskState.WaitingForSource, waiting.LastError);
        waiting.LastError.ShouldNotBeNull().ShouldContain($"status {status}");

        var asked = host.Source.Requests.Count;
        var since = host.Target.Time.GetUtcNow();
        await host.UntilAsync(_ => host.Target.Time.GetUtcNow() - since > TimeSpan.FromMinutes(4), step: TimeSpan.FromSeconds(1));
        (host.Source.Requests.Count - asked).ShouldBeInRange(4, 12, "asked again after 1 s, doubling up to a minute");
        (await host.TaskAsync()).Channels.ShouldAllBe(c => c.Attempts <= 1);

        host.Source.Instead = null;
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        (host.Rows("video-1").Count, host.Rows("video-2").Count).ShouldBe((Segments, Segments));
        host.ShouldBeSound();
    }

    [Theory]
    [InlineData(LinkFault.Reset)]
    [InlineData(LinkFault.Truncate)]
    public async Task AProxyThatCutsEveryConnection_MeansThatTheSourceIsAway_AndTheQueueGoesOn(LinkFault fault)
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", Segments);
        host.Source.AddTrack("video-2", Segments);
        await using var link = FaultyLink.To(host.Source.Url);
        var reads = 0;
        host.Source.Instead = context =>
        {
            if (context.Request.Path.Value!.StartsWith("/v1/segments/", StringComparison.Ordinal) && Interlocked.Increment(ref reads) == 12)
            {
                link.Plan(_ => (fault, 0));
                link.CutAll();
            }

            return Task.FromResult(false);
        };
        await host.SendAsync<CopyTask>(HttpMethod.Post, "v1/copy-tasks", CopyHost.Definition());
        await host.SetSourceAsync(url: link.BaseUrl);
        var waiting = await host.UntilAsync(t => t.State == CopyTaskState.WaitingForSource || t.EndedAt is not null);
        waiting.State.ShouldBe(CopyTaskState.WaitingForSource, waiting.LastError);
        waiting.LastError.ShouldNotBeNull().ShouldContain("does not say how it is either");
        waiting.Channels.ShouldAllBe(c => c.Attempts <= 1);
        // The question that found it away may have been given up before the fault met it: the next one is not.
        await host.UntilAsync(_ => link.Faults > 0);

        await host.StartCopyAsync(CopyHost.Definition("task-2", TimeSpan.FromSeconds(10)));
        (await host.EndAsync("task-2")).EndedAt.ShouldNotBeNull();
        (await host.TaskAsync()).State.ShouldBe(CopyTaskState.WaitingForSource);

        link.Mend();
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        (host.Rows("video-1").Count, host.Rows("video-2").Count).ShouldBe((Segments, Segments));
        host.ShouldBeSound();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task OneSegmentThatCannotBeHad_IsItsChannelsTrouble_WhoeverSaysSo(bool isGateway)
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", Segments);
        host.Source.AddTrack("video-2", Segments);
        var bad = host.Source.Add("video-1", FakeSource.Start + TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(2));
        host.Source.Instead = async context =>
        {
            if (!context.Request.Path.Value!.EndsWith(bad.Id, StringComparison.Ordinal))
            {
                return false;
            }

            await (isGateway ? GatewayAsync(context, 502) : Answer.Problem(500, RecorderProblems.InternalError, "The disk does not answer.").WriteAsync(context));
            return true;
        };
        await host.StartCopyAsync();

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.CopiedWithLosses);
        (await host.CoverageAsync()).Losses.ShouldHaveSingleItem().ShouldSatisfyAllConditions(l => l.ItemId.ShouldBe(bad.Id), l => l.Reason.ShouldBe("unreadable"));
        (host.Rows("video-1").Count, host.Rows("video-2").Count).ShouldBe((Segments - 1, Segments));
    }

    /// <summary>As a proxy answers whose upstream is away.</summary>
    private static async Task GatewayAsync(HttpContext context, int status)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/html";
        await context.Response.WriteAsync("<html><body><h1>Bad Gateway</h1></body></html>");
    }
}
