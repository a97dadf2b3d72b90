namespace FailbackWorkflows.Testing.Persistence;

/// <summary>Runs things at the same moment.</summary>
public static class Together
{
    /// <summary>Starts <paramref name="count"/> actions on threads of the pool at once and waits for all. An exception is a result, too.</summary>
    public static async Task<IReadOnlyList<Attempt<T>>> RunAsync<T>(int count, Func<int, Task<T>> action)
    {
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var attempts = Enumerable.Range(0, count).Select(async number =>
        {
            await go.Task;
            try
            {
                return new Attempt<T>(number, await Task.Run(() => action(number)), null);
            }
            catch (Exception exception)
            {
                return new Attempt<T>(number, default, exception);
            }
        }).ToList();
        go.SetResult();
        return await Task.WhenAll(attempts);
    }

    /// <inheritdoc cref="RunAsync{T}"/>
    public static Task<IReadOnlyList<Attempt<bool>>> RunAsync(int count, Func<int, Task> action) => RunAsync(count, async number =>
    {
        await action(number);
        return true;
    });
}

/// <summary>How one of several ended.</summary>
public sealed record Attempt<T>(int Number, T? Result, Exception? Exception)
{
    public bool Succeeded => Exception is null;
}
