using System.Net;
using System.Net.Sockets;
using FailbackWorkflows.Testing.Faults;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Testing;

/// <summary>A link whose faults did not happen would let every test of faults pass.</summary>
public sealed class FaultyLinkTests : IAsyncLifetime
{
    private const int Size = 300_000;

    private readonly TcpListener _server = new(IPAddress.Loopback, 0);
    private FaultyLink _link = null!;
    private Task _serving = Task.CompletedTask;

    private static byte[] Bytes { get; } = [.. Enumerable.Range(0, Size).Select(i => (byte)(i * 7))];

    public Task InitializeAsync()
    {
        _server.Start();
        _link = FaultyLink.To(new Uri($"http://127.0.0.1:{((IPEndPoint)_server.LocalEndpoint).Port}/"));
        _serving = ServeAsync();
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        await _link.DisposeAsync();
        _server.Stop();
        await _serving;
    }

    [Fact]
    public async Task Without_a_fault_every_byte_arrives()
    {
        (await ReadAsync()).ShouldBe(Bytes);
        _link.Bytes.ShouldBe(Size);
        _link.Faults.ShouldBe(0);
    }

    [Fact]
    public async Task A_reset_is_an_error_at_the_client()
    {
        _link.FailNext(LinkFault.Reset, 100_000);

        await Should.ThrowAsync<IOException>(ReadAsync);

        _link.Faults.ShouldBe(1);
        (await ReadAsync()).ShouldBe(Bytes);
    }

    [Fact]
    public async Task A_truncated_answer_ends_early_and_in_good_order()
    {
        _link.FailNext(LinkFault.Truncate, 100_000);

        (await ReadAsync()).ShouldBe(Bytes[..100_000]);
    }

    [Fact]
    public async Task A_corrupted_answer_differs_in_one_byte()
    {
        _link.FailNext(LinkFault.Corrupt, 123_456);

        var read = await ReadAsync();

        read.Length.ShouldBe(Size);
        Enumerable.Range(0, Size).Where(i => read[i] != Bytes[i]).ShouldBe([123_456]);
    }

    [Fact]
    public async Task A_stalled_answer_keeps_the_client_waiting_with_the_connection_open()
    {
        _link.FailNext(LinkFault.Stall, 1_000);
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, _link.BaseUrl.Port);
        var buffer = new byte[1_000];
        await client.GetStream().ReadExactlyAsync(buffer);

        var more = client.GetStream().ReadAsync(buffer).AsTask();

        await Should.ThrowAsync<TimeoutException>(() => more.WaitAsync(TimeSpan.FromMilliseconds(100)));
        more.IsCompleted.ShouldBeFalse();
        _link.CutAll();
        await Should.ThrowAsync<IOException>(() => more);
    }

    [Fact]
    public async Task A_link_that_is_down_refuses_until_it_is_up_again()
    {
        _link.Down();
        await Should.ThrowAsync<IOException>(ReadAsync);

        _link.Up();

        (await ReadAsync()).ShouldBe(Bytes);
    }

    private async Task<byte[]> ReadAsync()
    {
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(IPAddress.Loopback, _link.BaseUrl.Port);
        }
        catch (SocketException error)
        {
            // A reset may be quicker than the connect that it answers.
            throw new IOException("The connection was refused or reset.", error);
        }

        using var all = new MemoryStream();
        await client.GetStream().CopyToAsync(all);
        return all.ToArray();
    }

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                using var client = await _server.AcceptTcpClientAsync();
                try
                {
                    await client.GetStream().WriteAsync(Bytes);
                }
                catch (IOException)
                {
                    // The link cut it, as told.
                }
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }
}
