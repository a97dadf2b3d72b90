using FailbackWorkflows.ReferenceRecorder.Storage;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder;

public sealed class DurableFilesTests
{
    // A power loss may take a new folder with all that is in it, when only the folder itself was flushed and not the one that has its name.
    [Fact]
    public void Folder_MadeWithThoseThatLeadToIt_NamesAllThatAreStillToBeFlushed()
    {
        var root = Directory.CreateTempSubdirectory("recorder-").FullName;
        var identity = Path.Combine(root, "vms-1");
        var channel = Path.Combine(identity, "video-1");

        DurableFiles.MakeFolder(channel).ShouldBe([identity, root]);
        DurableFiles.MakeFolder(channel).ShouldBeEmpty();
        DurableFiles.MakeFolder(Path.Combine(identity, "video-2")).ShouldBe([identity]);

        Directory.Exists(channel).ShouldBeTrue();
        Directory.Delete(root, recursive: true);
    }
}
