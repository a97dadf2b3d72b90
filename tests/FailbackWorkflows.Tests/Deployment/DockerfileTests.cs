using FailbackWorkflows.Testing.Deployment;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Deployment;

/// <summary>What can be said of the Dockerfiles without a container engine. That the programs they make start is tested with real processes.</summary>
public sealed class DockerfileTests
{
    private static readonly string[] All = ["src/FailbackWorkflows.Server/Dockerfile", "src/FailbackWorkflows.ReferenceRecorder/Dockerfile", "eng/camera/Dockerfile"];

    public static TheoryData<string> Files => [.. All];

    public static TheoryData<string> Programs => [.. All[..2]];

    [Fact]
    public void All_AreKnownHere() => Directory.EnumerateFiles(RepositoryFiles.Root, "Dockerfile", SearchOption.AllDirectories)
        .Select(f => Path.GetRelativePath(RepositoryFiles.Root, f).Replace('\\', '/'))
        .Where(f => !f.Contains("/bin/") && !f.Contains("/obj/"))
        .ShouldBe(All, ignoreOrder: true);

    [Theory]
    [MemberData(nameof(Files))]
    public void Image_IsOfWhatThereIs_AndRunsAsNobodyInParticular(string path)
    {
        var file = Dockerfile.Read(path);

        file.Sources.ShouldNotBeEmpty();
        foreach (var source in file.Sources.Select(s => s.TrimEnd('/')))
        {
            (File.Exists(RepositoryFiles.PathOf(source)) || Directory.Exists(RepositoryFiles.PathOf(source))).ShouldBeTrue(source);
            IsInTheContext(source).ShouldBeTrue($"{source} is kept out by .dockerignore");
        }

        file.User.ShouldNotBeNull();
        file.User.ShouldNotBeOneOf("root", "0");
        file.HealthCheck.ShouldNotBeNull().ShouldContain("CMD [");
        file.Images.ShouldAllBe(i => i.Contains(':') && !i.EndsWith(":latest"));
        file.Instructions.Select(i => i.Name).ShouldNotContain("EXPOSE", "nothing listens but on loopback");
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public void Program_IsPublishedInAStageOfItsOwn(string path)
    {
        var file = Dockerfile.Read(path);
        var project = Path.GetDirectoryName(path)!.Replace('\\', '/');

        file.Images.Where(i => i.StartsWith("mcr.microsoft.com/", StringComparison.Ordinal)).ShouldBe(["mcr.microsoft.com/dotnet/sdk:10.0", "mcr.microsoft.com/dotnet/aspnet:10.0"]);
        file.Publish.ShouldBe($"dotnet publish {project} -c Release -o /app");
        file.Entrypoint.ShouldBe(["dotnet", $"{Path.GetFileName(project)}.dll"]);
    }

    [Fact]
    public void Server_HasTheDesigner_RestoredByItsLockFile()
    {
        var file = Dockerfile.Read(All[0]);

        file.Images[0].ShouldBe("node:20-slim");
        file.Sources.ShouldContain("src/FailbackWorkflows.Server/Studio/package-lock.json");
        file.Instructions.ShouldContain(i => i.Name == "RUN" && i.Arguments.StartsWith("npm ci"));
        file.Instructions.ShouldContain(i => i.Name == "COPY" && i.Arguments == "--from=designer /designer/node_modules src/FailbackWorkflows.Server/Studio/node_modules");
        File.ReadAllLines(RepositoryFiles.PathOf(".dockerignore")).ShouldContain("**/node_modules", "what lies on the builder's machine stays there");
    }

    [Theory]
    [InlineData(".git")]
    [InlineData("tests")]
    [InlineData("data")]
    [InlineData("docs")]
    public void Context_LeavesOut(string path) => IsInTheContext(path).ShouldBeFalse();

    /// <summary>The rules of .dockerignore, as far as ours use them: everything is left out but what is named, and what lies below it.</summary>
    private static bool IsInTheContext(string path)
    {
        var rules = File.ReadAllLines(RepositoryFiles.PathOf(".dockerignore")).Where(l => l.Length > 0 && !l.StartsWith('#')).ToList();
        rules[0].ShouldBe("*");
        return rules.Where(r => r.StartsWith('!')).Any(r => path == r[1..] || path.StartsWith(r[1..] + "/", StringComparison.Ordinal));
    }
}
