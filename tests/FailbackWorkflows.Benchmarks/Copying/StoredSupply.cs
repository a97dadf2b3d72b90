using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder;
using FailbackWorkflows.ReferenceRecorder.Duties;
using FailbackWorkflows.ReferenceRecorder.Recording;
using FailbackWorkflows.ReferenceRecorder.Records;
using FailbackWorkflows.ReferenceRecorder.Segments;
using FailbackWorkflows.ReferenceRecorder.Settings;
using FailbackWorkflows.ReferenceRecorder.Storage;
using Microsoft.Win32.SafeHandles;

namespace FailbackWorkflows.Benchmarks.Copying;

/// <summary>
/// Makes the data folder of a recorder that does not run yet, and fills it by the recorder's own storage code: real files, real rows, flushed.
/// Feeding as much over its API takes many times as long as copying it.
/// </summary>
internal sealed class StoredSupply : IDisposable
{
    private const int RowsPerCommit = 10_000;
    private const int PoolBytes = 16 * 1024 * 1024;

    private readonly string _identity;
    private readonly DateTimeOffset _from;
    private readonly DataFolder _folder;
    private readonly RecorderStore _store;

    /// <param name="channels">Video channels of the identity; the recorder has its duty and does not record.</param>
    /// <param name="from">Time of the first item.</param>
    public StoredSupply(string folder, string identity, int channels, DateTimeOffset from)
    {
        (_identity, _from) = (identity, from);
        _folder = DataFolder.Open(RecorderOptions.Parse(["--data", folder, "--token", "not-needed-for-storage"]));
        _store = new RecorderStore(_folder, TimeProvider.System, sql =>
        {
            SeedSettings.Plant(sql, identity, channels, TimeProvider.System.GetUtcNow());
            DutyStore.Save(sql, DutyStore.Find(sql, identity)! with { Recording = false });
        });
    }

    /// <summary>Fills every track with segments of one length, of bytes that do not compress and are the same in every run.</summary>
    public async Task PutSegmentsAsync(int tracks, int segments, int bytes, TimeSpan length)
    {
        // Every segment is another window of one pool behind a number of its own: as good as random, and made at the speed of the disk.
        var pool = new byte[PoolBytes + bytes];
        new Random(1).NextBytes(pool);
        for (var track = 1; track <= tracks; track++)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(PathOf(track, 0))!);
        }

        var digests = new string[tracks * segments];
        Parallel.For(0, digests.Length, i =>
        {
            var number = new byte[sizeof(long)];
            BinaryPrimitives.WriteInt64LittleEndian(number, i);
            var window = pool.AsMemory((int)(i * 1_000_003L % PoolBytes), bytes - number.Length);
            using SafeFileHandle file = File.OpenHandle(PathOf((i % tracks) + 1, i / tracks), FileMode.CreateNew, FileAccess.Write);
            RandomAccess.Write(file, [number, window], 0);
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            hash.AppendData(number);
            hash.AppendData(window.Span);
            digests[i] = Convert.ToHexStringLower(hash.GetHashAndReset());
        });
        await ProcessCost.RunAsync($"sync -f '{_folder.SegmentsPath}'");
        foreach (var numbers in Enumerable.Range(0, digests.Length).Chunk(RowsPerCommit))
        {
            await _store.WriteAsync(
                sql =>
                {
                    foreach (var i in numbers)
                    {
                        var (channel, segment) = ($"video-{(i % tracks) + 1}", i / tracks);
                        SegmentStore.EnsureTrack(sql, _identity, channel, "video");
                        SegmentStore.Save(sql, new SegmentRow(
                            SegmentId((i % tracks) + 1, segment), _identity, channel, SegmentStore.TrackId(_identity, channel), Epoch: 1, _from + (length * segment), _from + (length * (segment + 1)), bytes, digests[i],
                            DisputeState.None, null, Path.GetRelativePath(_folder.SegmentsPath, PathOf((i % tracks) + 1, segment)), _store.MachineId, SegmentFile.ContentType, _store.Time.GetUtcNow(), TaskId: null));
                    }

                    return true;
                },
                CancellationToken.None);
        }
    }

    /// <summary>Plates read on the first channels in turn, one every few milliseconds.</summary>
    public async Task PutRecordsAsync(int count, int channels)
    {
        var origin = new MaterialOrigin(_store.MachineId, 1);
        foreach (var numbers in Enumerable.Range(0, count).Chunk(RowsPerCommit))
        {
            var rows = new RecordRow[numbers.Length];
            Parallel.For(0, rows.Length, n =>
            {
                var i = numbers[n];
                rows[n] = RecordRow.Make(
                    string.Create(CultureInfo.InvariantCulture, $"plate-{i:D8}"), RecordKind.Anpr, _identity, $"video-{(i % channels) + 1}", _from + TimeSpan.FromMilliseconds(3.6 * i), null, 1, DisputeState.None, origin,
                    string.Create(CultureInfo.InvariantCulture, $$"""{"country":"DE","direction":"in","lane":{{i % 3}},"plate":"B FW {{i % 9973}}","plateLikelihood":0.97}"""));
            });
            await _store.WriteAsync(
                sql =>
                {
                    using var import = new RecordImport(sql);
                    return Array.TrueForAll(rows, r => import.Add(r).Outcome == ImportOutcome.Created) ? true : throw new InvalidOperationException("A record was not accepted.");
                },
                CancellationToken.None);
        }
    }

    public void Dispose()
    {
        _store.Dispose();
        _folder.Dispose();
    }

    private static string SegmentId(int track, int segment) => string.Create(CultureInfo.InvariantCulture, $"bench-{track}-{segment}");

    private string PathOf(int track, int segment) => Path.Combine(_folder.SegmentsPath, SegmentStore.FileOf(_identity, $"video-{track}", SegmentId(track, segment)));
}
