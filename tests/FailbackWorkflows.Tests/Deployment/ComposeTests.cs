using System.Text.RegularExpressions;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.ReferenceRecorder;
using FailbackWorkflows.Server.Hosting;
using FailbackWorkflows.Testing.Deployment;
using FailbackWorkflows.Testing.Failback;
using Microsoft.Extensions.Configuration;
using Npgsql;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Deployment;

/// <summary>What can be said of docker-compose.yml without a container engine.</summary>
public sealed partial class ComposeTests
{
    private static readonly Dictionary<string, string> Values = new()
    {
        ["FAILBACK_ADMIN_PASSWORD"] = "a long test password",
        ["FAILBACK_POSTGRES_PASSWORD"] = "another; 'long' \"password\"",
        ["FAILBACK_RECORDER_TOKEN"] = "token-of-the-recorders",
        ["FAILBACK_LICENSE_PUBLIC_KEY"] = "-----BEGIN PUBLIC KEY-----",
    };

    /// <summary>Members of a service in the Compose specification, as far as they are used here or may soon be.</summary>
    private static readonly HashSet<string> ServiceMembers =
    [
        "build", "cap_add", "cap_drop", "command", "depends_on", "entrypoint", "environment", "healthcheck", "image", "init", "logging", "mem_limit", "network_mode", "ports", "read_only",
        "restart", "security_opt", "shm_size", "stop_grace_period", "tmpfs", "ulimits", "user", "volumes", "working_dir",
    ];

    private readonly ComposeFile _compose = ComposeFile.Read();

    public static TheoryData<string> Services => [.. ComposeFile.Read().Services.Keys];

    [Fact]
    public void File_HasWhatTheSpecificationKnows()
    {
        _compose.Members.Keys.Where(k => !k.StartsWith("x-", StringComparison.Ordinal)).ShouldBe(["name", "services", "volumes"], ignoreOrder: true);
        _compose.Services.Keys.ShouldBe(
            ["site", "postgres", "management-1", "management-2", "proxy", "recorder-1", "recorder-2", "recorder-3", "camera-1", "camera-2", "camera-3"], ignoreOrder: true);
        _compose.Services.Keys.ShouldAllBe(name => ServiceName().IsMatch(name));
    }

    [Theory]
    [MemberData(nameof(Services))]
    public void Service_HasTheFormOfTheSpecification(string name)
    {
        var service = _compose.Services[name];

        service.Members.Keys.Except(ServiceMembers).ShouldBeEmpty();
        service.Text("image").ShouldNotBeNullOrEmpty();
        service.Text("image")!.ShouldMatch(service.Members.ContainsKey("build") ? "^failback/" : ":[0-9.]+$", "an image of others is pinned to a version");
        service.Text("restart").ShouldBe("unless-stopped");
        foreach (var list in new[] { "cap_add", "cap_drop", "command", "ports", "security_opt", "tmpfs", "volumes" })
        {
            service.List(list).ShouldAllBe(item => item.Length > 0);
        }

        if (service.Members.GetValueOrDefault("healthcheck") is { } check)
        {
            var members = check.ShouldBeAssignableTo<IReadOnlyDictionary<string, object?>>()!;
            members.Keys.ShouldBe(["test", "interval", "timeout", "retries", "start_period"], ignoreOrder: true);
            ((string)((IReadOnlyList<object?>)members["test"]!)[0]!).ShouldBe("CMD");
            int.Parse((string)members["retries"]!, System.Globalization.CultureInfo.InvariantCulture).ShouldBeGreaterThan(0);
            new[] { "interval", "timeout", "start_period" }.ShouldAllBe(m => Length().IsMatch((string)members[m]!));
        }
    }

    [Theory]
    [MemberData(nameof(Services))]
    public void Service_NeedsNoMoreThanItHas(string name)
    {
        var service = _compose.Services[name];

        service.Text("read_only").ShouldBe("true");
        service.List("cap_drop").ShouldBe(["ALL"]);
        service.List("cap_add").ShouldBe(name == "proxy" ? ["NET_BIND_SERVICE"] : []);
        service.List("security_opt").ShouldBe(["no-new-privileges:true"]);
        IsHealthChecked(service).ShouldBe(name != "site", "what does nothing cannot be unwell");
        if (name != "site")
        {
            service.List("tmpfs").ShouldContain("/tmp");
            service.Text("network_mode").ShouldBe("service:site");
            (service.Text("user") ?? Dockerfile(service)?.User).ShouldNotBeNullOrEmpty("nobody is root");
            (service.Text("user") ?? Dockerfile(service)!.User).ShouldNotBe("root");
        }
    }

    [Theory]
    [MemberData(nameof(Services))]
    public void Service_NamesOnlyWhatThereIs(string name)
    {
        var service = _compose.Services[name];

        if (service.Members.ContainsKey("build"))
        {
            Dockerfile(service).ShouldNotBeNull();
        }

        foreach (var mount in service.List("volumes").Select(v => v.Split(':')))
        {
            if (mount[0].StartsWith('.'))
            {
                File.Exists(RepositoryFiles.PathOf(mount[0])).ShouldBeTrue(mount[0]);
                mount[^1].ShouldBe("ro");
            }
            else
            {
                ((IReadOnlyDictionary<string, object?>)_compose.Members["volumes"]!).Keys.ShouldContain(mount[0]);
            }

            mount[1].ShouldStartWith("/");
        }

        foreach (var (other, condition) in Dependencies(service))
        {
            _compose.Services.Keys.ShouldContain(other);
            (condition != "service_healthy" || IsHealthChecked(_compose.Services[other])).ShouldBeTrue($"{other} has no health check");
        }
    }

    [Fact]
    public void Volumes_AreUsedByOneServiceEach()
    {
        var used = _compose.Services.Values.SelectMany(s => s.List("volumes")).Select(v => v.Split(':')[0]).Where(v => !v.StartsWith('.')).ToList();

        used.ShouldBe(((IReadOnlyDictionary<string, object?>)_compose.Members["volumes"]!).Keys, ignoreOrder: true);
    }

    [Fact]
    public void Ports_AreThoseOfTheProxy_OnTheLoopbackOfTheMachine()
    {
        var published = _compose.Services.Values.SelectMany(s => s.List("ports").Select(p => (s.Name, Port: ComposeFile.Resolve(p, Values)))).ShouldHaveSingleItem();

        published.Port.ShouldBe("127.0.0.1:5080:8080");
        var proxy = File.ReadAllText(RepositoryFiles.PathOf("eng", "proxy", "Caddyfile"));
        proxy.ShouldContain("http://:8080 {");
        Upstreams().Match(proxy).Groups[1].Value.Split(' ').ShouldBe(Management().Select(m => Argument(m, "--urls")["http://".Length..]));
    }

    [Fact]
    public void Addresses_AreOnLoopback_AndNobodysTwice()
    {
        var addresses = _compose.Services.Values.Where(s => s.List("command").Contains("--urls")).Select(s => Argument(s, "--urls")).ToList();

        addresses.Count.ShouldBe(5);
        addresses.ShouldBeUnique();
        addresses.ShouldAllBe(a => a.StartsWith("http://127.0.0.1:"));
        foreach (var service in _compose.Services.Values.Where(s => s.Members.ContainsKey("build") && s.List("command").Contains("--urls")))
        {
            var test = (IReadOnlyList<object?>)((IReadOnlyDictionary<string, object?>)service.Members["healthcheck"]!)["test"]!;
            test[^2].ShouldBe(Argument(service, "--urls").Split(':')[^1], "it is asked where it listens");
        }
    }

    [Fact]
    public void Variables_AreInTheDocument_AndSecretsHaveNoDefault()
    {
        var document = File.ReadAllText(RepositoryFiles.PathOf("docs", "deployment.md"));

        _compose.Variables.ShouldNotBeEmpty();
        _compose.Dollars().ShouldBeEmpty("every variable is ${NAME:?sentence} or ${NAME:-default}");
        _compose.Variables.Where(v => !document.Contains($"`{v.Name}`")).ShouldBeEmpty();
        _compose.Variables.Where(v => v.Default is null).Select(v => v.Name).Distinct().ShouldBe(Values.Keys, ignoreOrder: true);
        _compose.Services.Values.SelectMany(s => s.Environment).Where(e => SecretName().IsMatch(e.Key)).ShouldAllBe(e => e.Value.StartsWith("${") && e.Value.Contains(":?"));
    }

    [Fact]
    public void ManagementServers_AreToldOnlyWhatTheyKnow()
    {
        foreach (var server in Management())
        {
            var environment = server.Environment.ToDictionary(e => e.Key, e => (string?)ComposeFile.Resolve(e.Value, Values));
            environment.Keys.Where(k => !k.StartsWith("Failback__", StringComparison.Ordinal))
                .ShouldBe(["FAILBACK_ADMIN_PASSWORD", "PGPASSWORD", "ASPNETCORE_FORWARDEDHEADERS_ENABLED"], ignoreOrder: true);

            var settings = environment.Where(e => e.Key.StartsWith("Failback__", StringComparison.Ordinal)).ToDictionary(e => e.Key.Replace("__", ":", StringComparison.Ordinal), e => e.Value);
            Bind("Failback:Engine:", new WorkflowEngineOptions()).Node.ShouldBe(server.Name);
            Bind("Failback:License:", new LicenseOptions());
            var options = Bind("Failback:", new ServerOptions(), "Failback:Engine:", "Failback:License:");
            new ServerOptionsCheck().Validate(null, options).Succeeded.ShouldBeTrue();
            new NpgsqlConnectionStringBuilder(options.Postgres).Host.ShouldBe("127.0.0.1");
            server.List("command").Where((_, i) => i % 2 == 0).ShouldBe(["--urls", "--data"]);
            new[] { Argument(server, "--data"), options.EpochsPath! }.ShouldBe(server.List("volumes").Select(v => v.Split(':')[1]), "what is kept is on a volume");

            T Bind<T>(string section, T target, params string[] without)
            {
                new ConfigurationBuilder()
                    .AddInMemoryCollection(settings.Where(s => s.Key.StartsWith(section, StringComparison.Ordinal) && !without.Any(w => s.Key.StartsWith(w, StringComparison.Ordinal))))
                    .Build()
                    .GetSection(section.TrimEnd(':'))
                    .Bind(target, binder => binder.ErrorOnUnknownConfiguration = true);
                return target;
            }
        }
    }

    [Fact]
    public void Recorders_AreToldOnlyWhatTheyKnow()
    {
        foreach (var recorder in _compose.Services.Values.Where(s => s.Name.StartsWith("recorder-", StringComparison.Ordinal)))
        {
            recorder.Environment.Keys.ShouldBe(["FAILBACK_RECORDER_TOKEN"]);
            var options = RecorderOptions.Parse([.. recorder.List("command"), "--token", ComposeFile.Resolve(recorder.Environment["FAILBACK_RECORDER_TOKEN"], Values)]);
            options.SeedIdentity.ShouldBe(recorder.Name);
            options.SeedCameras.ShouldBe(1);
            options.DataFolder.ShouldBe(recorder.List("volumes").Single().Split(':')[1]);
        }
    }

    [Fact]
    public void Cameras_AreToldOnlyWhatTheirFeederReads()
    {
        var feeder = File.ReadAllText(RepositoryFiles.PathOf("eng", "camera", "feed.sh"));
        var recorders = _compose.Services.Values.Where(s => s.Name.StartsWith("recorder-", StringComparison.Ordinal)).ToList();

        foreach (var camera in _compose.Services.Values.Where(s => s.Name.StartsWith("camera-", StringComparison.Ordinal)))
        {
            camera.Environment.Keys.ShouldAllBe(k => Regex.IsMatch(feeder, $@"\bneed {k}\b"));
            NeededByFeeder().Matches(feeder).Select(m => m.Groups[1].Value).ShouldBe(camera.Environment.Keys, ignoreOrder: true);
            camera.Environment["CAMERA_RECORDERS"].Split(' ').ShouldBe(recorders.Select(r => Argument(r, "--urls")));
            recorders.Select(r => r.Name).ShouldContain(camera.Environment["CAMERA_IDENTITY"]);
            camera.Environment["CAMERA_CHANNEL"].ShouldBe("camera-1");
        }
    }

    private IEnumerable<ComposeService> Management() => _compose.Services.Values.Where(s => s.Name.StartsWith("management-", StringComparison.Ordinal)).OrderBy(s => s.Name);

    private static string Argument(ComposeService service, string option)
    {
        var command = service.List("command").ToList();
        return command[command.IndexOf(option) + 1];
    }

    private static bool IsHealthChecked(ComposeService service) => service.Members.ContainsKey("healthcheck") || Dockerfile(service)?.HealthCheck is not null;

    private static Dockerfile? Dockerfile(ComposeService service)
    {
        if (service.Members.GetValueOrDefault("build") is not IReadOnlyDictionary<string, object?> build)
        {
            return null;
        }

        build.Keys.ShouldBe(["context", "dockerfile"], ignoreOrder: true);
        build["context"].ShouldBe(".");
        return FailbackWorkflows.Testing.Deployment.Dockerfile.Read((string)build["dockerfile"]!);
    }

    private static IEnumerable<(string Service, string Condition)> Dependencies(ComposeService service) => service.Members.GetValueOrDefault("depends_on") switch
    {
        null => [],
        IReadOnlyList<object?> list => list.Select(item => ((string)item!, "service_started")),
        IReadOnlyDictionary<string, object?> map => map.Select(m => (m.Key, (string)((IReadOnlyDictionary<string, object?>)m.Value!)["condition"]!)),
        var other => throw new InvalidDataException($"depends_on is a {other.GetType().Name}."),
    };

    [GeneratedRegex("^[a-z0-9][a-z0-9-]*$")]
    private static partial Regex ServiceName();

    [GeneratedRegex("^[0-9]+(ms|s|m)$")]
    private static partial Regex Length();

    [GeneratedRegex("(PASSWORD|TOKEN|KEY)$", RegexOptions.IgnoreCase)]
    private static partial Regex SecretName();

    [GeneratedRegex(@"reverse_proxy (.+) \{")]
    private static partial Regex Upstreams();

    [GeneratedRegex(@"^need ([A-Z_]+) ", RegexOptions.Multiline)]
    private static partial Regex NeededByFeeder();
}
