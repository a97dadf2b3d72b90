using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.ReferenceRecorder.Duties;
using FailbackWorkflows.ReferenceRecorder.Idempotency;
using FailbackWorkflows.ReferenceRecorder.Recording;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Commands;

/// <summary>
/// Every command passes here, in this order and in one transaction: authority (a stale one leaves no trace), learning of a larger epoch
/// and fence, the key (a known one gets the answer it got the first time), the effect, the key with its answer. So an effect exists
/// exactly when its key does.
/// </summary>
public sealed class CommandGate(RecorderStore store, RecordingEngine engine)
{
    /// <summary>A command whose authority is in its headers.</summary>
    public Task RunAsync(HttpContext context, string identity, string requestHash, Func<Sql, DutyRow, Answer> effect)
    {
        var authority = RequestReader.Authority(context);
        var key = RequestReader.Key(context);
        return RunAsync(context, sql =>
        {
            var known = DutyStore.Find(sql, identity) ?? DutyRow.Unknown(identity);
            DutyRules.RefuseStale(known, authority.Epoch, authority.Fence);
            var duty = DutyRules.Accept(sql, engine, known, authority, store.Time.GetUtcNow());
            return RunOnce(sql, context.Request, key, requestHash, () => effect(sql, duty));
        });
    }

    /// <summary>
    /// A command for a copy task or a read token: under the identity's epoch and the fence of its own. <paramref name="finish"/> puts into the
    /// answer what must not be remembered under the key.
    /// </summary>
    public Task RunForTaskAsync(HttpContext context, string identity, string taskId, string requestHash, Func<Sql, DutyRow, Answer> effect, Func<Answer, Answer>? finish = null) =>
        RunForTaskAsync(context, _ => identity, taskId, requestHash, effect, finish);

    /// <summary>As above, when only the task tells the identity; <paramref name="identityOf"/> refuses one that is not known.</summary>
    public Task RunForTaskAsync(HttpContext context, Func<Sql, string> identityOf, string taskId, string requestHash, Func<Sql, DutyRow, Answer> effect, Func<Answer, Answer>? finish = null)
    {
        var authority = RequestReader.TaskAuthority(context);
        var key = RequestReader.Key(context);
        return RunAsync(
            context,
            sql =>
            {
                var identity = identityOf(sql);
                var known = DutyStore.Find(sql, identity) ?? DutyRow.Unknown(identity);
                DutyRules.RefuseStale(known, authority.Epoch, known.Fence);
                CopyFences.Accept(sql, taskId, authority.CopyFence);
                var duty = DutyRules.Accept(sql, engine, known, new DutyAuthority(authority.Epoch, known.Fence), store.Time.GetUtcNow());
                return RunOnce(sql, context.Request, key, requestHash, () => effect(sql, duty));
            },
            finish);
    }

    /// <summary>An assignment: its authority is its content, so a larger epoch is the effect and not something learned before it.</summary>
    public Task RunAssignmentAsync(HttpContext context, string identity, DutyAssignment assignment, string requestHash, Func<Sql, DutyRow, Answer> effect)
    {
        var key = RequestReader.Key(context);
        return RunAsync(context, sql =>
        {
            var known = DutyStore.Find(sql, identity) ?? DutyRow.Unknown(identity);
            DutyRules.RefuseStale(known, assignment.Epoch, assignment.Fence);
            if (assignment.Fence > known.Fence)
            {
                known = DutyStore.Save(sql, known with { Fence = assignment.Fence });
            }

            return RunOnce(sql, context.Request, key, requestHash, () => effect(sql, known));
        });
    }

    /// <summary>A change that is safe to repeat by its nature, by somebody who knows the duty's epoch.</summary>
    public Task RunUnderEpochAsync(HttpContext context, string identity, Func<Sql, Answer> effect)
    {
        var epoch = RequestReader.Epoch(context);
        return RunAsync(context, sql =>
        {
            var known = DutyStore.Find(sql, identity) ?? DutyRow.Unknown(identity);
            DutyRules.RefuseStale(known, epoch, known.Fence);
            DutyRules.Accept(sql, engine, known, new DutyAuthority(epoch, known.Fence), store.Time.GetUtcNow());
            return effect(sql);
        });
    }

    /// <summary>A change that is safe to repeat by its nature.</summary>
    /// <param name="committed">What is left to do once it is committed, before the answer; not called for a refusal.</param>
    public Task RunUnkeyedAsync(HttpContext context, Func<Sql, Answer> effect, Action? committed = null) => RunAsync(context, effect, committed is null ? null : answer =>
    {
        if (answer.Status < StatusCodes.Status300MultipleChoices)
        {
            committed();
        }

        return answer;
    });

    private async Task RunAsync(HttpContext context, Func<Sql, Answer> work, Func<Answer, Answer>? finish = null)
    {
        // Once read, a command is carried out even when its caller hangs up: the answer waits under the key.
        var answer = await store.WriteAsync(
            sql =>
            {
                try
                {
                    return work(sql);
                }
                catch (Refusal refusal)
                {
                    // Refused before the effect: whatever was learned on the way (a larger epoch) stays.
                    return Answer.Of(refusal);
                }
            },
            CancellationToken.None).ConfigureAwait(false);
        await (finish?.Invoke(answer) ?? answer).WriteAsync(context).ConfigureAwait(false);
    }

    private Answer RunOnce(Sql sql, HttpRequest request, string key, string requestHash, Func<Answer> effect)
    {
        if (KeyStore.Find(sql, key, requestHash) is { } remembered)
        {
            return remembered;
        }

        sql.Savepoint();
        try
        {
            var answer = effect();
            KeyStore.Remember(sql, key, request, requestHash, answer, tookEffect: true, store.Time.GetUtcNow());
            return answer;
        }
        catch (Refusal refusal)
        {
            sql.BackToSavepoint();
            var answer = Answer.Of(refusal);
            if (refusal.IsDefinitive)
            {
                KeyStore.Remember(sql, key, request, requestHash, answer, tookEffect: false, store.Time.GetUtcNow());
            }

            return answer;
        }
    }
}
