using FailbackWorkflows.ReferenceRecorder;
using FailbackWorkflows.ReferenceRecorder.Storage;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder;

/// <summary>A recorder that is killed while it starts for the first time.</summary>
public sealed class FirstStartTests
{
    [Fact]
    public void AFirstStartThatBreaksOff_LeavesNoStorageWithoutItsContent()
    {
        var root = Directory.CreateTempSubdirectory("recorder-test-").FullName;
        try
        {
            var options = RecorderOptions.Parse(["--data", root, "--token", "long-enough-token", "--urls", "http://127.0.0.1:0"]);
            using var folder = DataFolder.Open(options);
            Should.Throw<TimeoutException>(() => new RecorderStore(folder, TimeProvider.System, _ => throw new TimeoutException("Killed here.")));

            using (var second = new RecorderStore(folder, TimeProvider.System, sql => RecorderJournal.Write(sql, TimeProvider.System.GetUtcNow(), "vms-1", "seeded", "Content.")))
            {
                second.IsNew.ShouldBeTrue();
                second.Read(sql => RecorderJournal.List(sql, 0)).Count.ShouldBe(1);
            }

            using var third = new RecorderStore(folder, TimeProvider.System, _ => throw new InvalidOperationException("Only the first start has first content."));
            third.IsNew.ShouldBeFalse();
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }
}
