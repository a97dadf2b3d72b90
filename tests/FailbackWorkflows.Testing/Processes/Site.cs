using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Persistence;

namespace FailbackWorkflows.Testing.Processes;

/// <summary>
/// A small site of real processes: a management server (or several on one PostgreSQL database) and two or three recorders on loopback, registered and
/// licensed. "Main" is the recorder that fails and gets its duty back; "Standby" takes over.
/// </summary>
public sealed class Site : IAsyncDisposable
{
    private readonly string _folder;
    private readonly ECDsa _issuer;
    private readonly string? _ownDatabase;
    private int _requests;

    private Site(string folder, ECDsa issuer, string? ownDatabase, IReadOnlyList<ManagementServerProcess> servers, IReadOnlyList<RecorderProcess> recorders)
    {
        _folder = folder;
        _issuer = issuer;
        _ownDatabase = ownDatabase;
        Servers = servers;
        Server = servers[0];
        Recorders = recorders;
    }

    /// <summary>Id of the recorder that fails; also its recorded identity.</summary>
    public const string MainId = "vms-1";

    public const string StandbyId = "vms-2";

    public const string ThirdId = "vms-3";

    /// <summary>The management server that this site is asked and commanded through.</summary>
    public ManagementServerProcess Server { get; private set; }

    /// <summary>All management servers. There is one, if not said otherwise.</summary>
    public IReadOnlyList<ManagementServerProcess> Servers { get; }

    public IReadOnlyList<RecorderProcess> Recorders { get; }

    public RecorderProcess Main => Recorders[0];

    public RecorderProcess Standby => Recorders[1];

    public RecorderProcess Third => Recorders[2];

    /// <summary>A folder of this site for whatever a test needs.</summary>
    public string NewFolder(string name) => Path.Combine(_folder, name);

    /// <param name="recorderOptions">Further options of all recorders, kept over restarts.</param>
    public static Task<Site> StartAsync(int recorders = 2, bool isLicensed = true, bool isRegistered = true, IReadOnlyDictionary<string, string>? recorderOptions = null) =>
        StartAsync(recorders, isLicensed, isRegistered, recorderOptions, null, null, 1);

    /// <summary>Several management servers, <c>manager-1</c> and so on, on one PostgreSQL database. A dead one is given up after <see cref="Lease"/>.</summary>
    /// <param name="database">Connection string of the database; null: one of its own, which goes when the site does.</param>
    /// <param name="databaseOfFirst">How the first one gets to it, if not as the others.</param>
    /// <param name="environment">Configuration of the management servers beyond, or instead of, what every site has.</param>
    public static async Task<Site> StartSharedAsync(
        int servers = 2, int recorders = 2, string? database = null, string? databaseOfFirst = null, IReadOnlyDictionary<string, string>? environment = null)
    {
        var own = database is null ? await PostgresDatabases.TakeUnmigratedAsync() : null;
        return await StartAsync(recorders, isLicensed: true, isRegistered: true, null, database ?? own, own, servers, databaseOfFirst, environment);
    }

    /// <summary>How long a silent one of several management servers keeps what it works on.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(3);

    private static async Task<Site> StartAsync(
        int recorders, bool isLicensed, bool isRegistered, IReadOnlyDictionary<string, string>? recorderOptions, string? database, string? ownDatabase, int servers, string? databaseOfFirst = null,
        IReadOnlyDictionary<string, string>? given = null)
    {
        var folder = Directory.CreateTempSubdirectory("failback-site-").FullName;
        var issuer = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var names = new[] { MainId, StandbyId, ThirdId }.Take(recorders);
        var site = new Site(
            folder,
            issuer,
            ownDatabase,
            [.. Enumerable.Range(1, servers).Select(MakeServer)],
            [.. names.Select(n => new RecorderProcess(n, Path.Combine(folder, n), options: recorderOptions))]);
        try
        {
            await Task.WhenAll([.. site.Recorders.Select(r => r.StartAsync()), .. site.Servers.Select(s => s.StartAsync())]);
            if (isLicensed)
            {
                await site.InstallLicenseAsync();
            }

            if (isRegistered)
            {
                foreach (var recorder in site.Recorders)
                {
                    await site.RegisterAsync(recorder);
                }
            }

            return site;
        }
        catch
        {
            await site.DisposeAsync();
            throw;
        }

        ManagementServerProcess MakeServer(int number)
        {
            var environment = new Dictionary<string, string>
            {
                ["Failback__License__PublicKey"] = issuer.ExportSubjectPublicKeyInfoPem(),
                ["Failback__License__Site"] = "scenarios",
                ["Failback__SignInAttemptsPerMinute"] = "1000",
                ["Failback__SettingsInterval"] = "00:00:05",
            };
            if (database is not null)
            {
                environment["Failback__Postgres"] = number == 1 ? databaseOfFirst ?? database : database;
                environment["Failback__Engine__Node"] = $"manager-{number}";
                environment["Failback__Engine__LeaseDuration"] = Lease.ToString("c");
            }

            foreach (var (name, value) in given ?? new Dictionary<string, string>())
            {
                environment[name] = value;
            }

            return new ManagementServerProcess(Path.Combine(folder, number == 1 ? "server" : $"server-{number}"), environment);
        }
    }

    /// <summary>From now on this site is asked and commanded through another one of its management servers.</summary>
    public void Use(ManagementServerProcess server) => Server = server;

    /// <summary>A site whose main recorder has failed and whose standby has taken over. Main is back, told to stand by.</summary>
    public static async Task<(Site Site, string EntryId)> StartFailedOverAsync(int recorders = 2, IReadOnlyDictionary<string, string>? recorderOptions = null)
    {
        var site = await StartAsync(recorders, recorderOptions: recorderOptions);
        return (site, await site.FailOverAndReturnMainAsync());
    }

    /// <summary>As <see cref="StartFailedOverAsync"/>, with several management servers.</summary>
    public static async Task<(Site Site, string EntryId)> StartSharedFailedOverAsync(int servers = 2, string? database = null, string? databaseOfFirst = null)
    {
        var site = await StartSharedAsync(servers, database: database, databaseOfFirst: databaseOfFirst);
        return (site, await site.FailOverAndReturnMainAsync());
    }

    private async Task<string> FailOverAndReturnMainAsync()
    {
        try
        {
            var entryId = await FailOverAsync();
            await ReturnMainAsync();
            return entryId;
        }
        catch
        {
            await DisposeAsync();
            throw;
        }
    }

    public async Task RegisterAsync(RecorderProcess recorder, Uri? baseUrl = null)
    {
        var answer = await Server.PostAsync("api/v1/servers", ServerOf(recorder, baseUrl));
        Require(answer, HttpStatusCode.Created);
    }

    public static JsonObject ServerOf(RecorderProcess recorder, Uri? baseUrl = null) => new()
    {
        ["id"] = recorder.Id,
        ["name"] = $"Recorder {recorder.Id}",
        ["baseUrl"] = (baseUrl ?? recorder.BaseUrl).ToString(),
        ["credential"] = recorder.Token,
        ["failoverGroup"] = "hall",
        ["isFailoverEnabled"] = true,
        ["isAutomaticFailbackEnabled"] = false,
    };

    /// <summary>Issues and installs a licence; what is not said is as it should be.</summary>
    public async Task<Answer> InstallLicenseAsync(string feature = LicenseCheck.Failover, TimeSpan? validFor = null, int recorders = 10)
    {
        var now = TimeProvider.System.GetUtcNow();
        var until = now + (validFor ?? TimeSpan.FromDays(30));
        var from = (until < now ? until : now).AddDays(-1);
        var (document, signature) = LicenseIssuer.Issue(new LicenseDocument("scenarios", "Scenarios", [feature], recorders, from, until, 0), _issuer);
        return await Server.PutAsync("api/v1/license", new JsonObject { ["document"] = document, ["signature"] = signature });
    }

    /// <summary>SIGKILL of main, then the failover to the standby.</summary>
    public async Task<string> FailOverAsync()
    {
        await Main.KillAsync();
        var started = Require(await StartFailoverAsync(), HttpStatusCode.Accepted);
        var run = await WaitForEndAsync((string)started["runId"]!);
        return run.Result == "done" ? (string)started["entryId"]! : throw new InvalidOperationException($"The failover ended {run.Result}: {run.Message}");
    }

    public Task<Answer> StartFailoverAsync(string failed = MainId, string failover = StandbyId, string? apiKey = null) => Server.PostAsync(
        $"api/v1/servers/{failed}/failover",
        new JsonObject { ["failoverServerId"] = failover, ["requestId"] = NewRequestId(), ["reason"] = "scenario" },
        apiKey);

    /// <summary>Starts main again and waits until it was told to stand by.</summary>
    public async Task ReturnMainAsync()
    {
        await Main.StartAsync();
        await Eventually.GetAsync("main is told to stand by", () => Main.FindDutyAsync(MainId), d => d is { Role: DutyRole.Standby or DutyRole.FailoverServer, Recording: false });
    }

    public Task<Answer> TryStartFailbackAsync(string entryId, string? requestId = null, string? apiKey = null) => Server.PostAsync(
        $"api/v1/failover-log/{Uri.EscapeDataString(entryId)}/failback",
        new JsonObject { ["requestId"] = requestId ?? NewRequestId(), ["reason"] = "scenario" },
        apiKey);

    /// <summary>Starts a failback; the run's id. While a run tells the servers what they are still owed it is refused; a person does what the refusal says and waits for that.</summary>
    public async Task<string> StartFailbackAsync(string entryId)
    {
        var answer = await Eventually.GetAsync(
            "no obligation is being told", () => TryStartFailbackAsync(entryId), a => !(a.Status == HttpStatusCode.Conflict && a.ToString().Contains("obligations", StringComparison.Ordinal)));
        return (string)Require(answer, HttpStatusCode.Accepted)["runId"]!;
    }

    /// <summary>A failback from its start to its end.</summary>
    public async Task<RunReport> FailBackAsync(string entryId) => await WaitForEndAsync(await StartFailbackAsync(entryId));

    public Task<RunReport> WaitForEndAsync(string runId) =>
        Eventually.GetAsync($"run {runId} ends", () => Server.GetRunAsync(runId), run => run.Result != "running");

    /// <summary>A key with one role.</summary>
    public async Task<(string Key, string Id)> CreateKeyAsync(string role)
    {
        var created = Require(await Server.PostAsync("api/v1/api-keys", new JsonObject { ["name"] = $"a {role}", ["role"] = role }), HttpStatusCode.Created);
        return ((string)created["key"]!, (string)created["details"]!["id"]!);
    }

    /// <summary>A person with one role and the password of everybody here.</summary>
    public async Task CreateUserAsync(string name, string role) =>
        Require(await Server.PostAsync("api/v1/users", new JsonObject { ["userName"] = name, ["password"] = ManagementServerProcess.Password, ["roles"] = new JsonArray(role) }), HttpStatusCode.Created);

    public async Task SetPolicyAsync(TimeSpan confirmTimeout, TimeSpan handOverTimeout)
    {
        var answer = await Server.PutAsync(
            "api/v1/settings/failback-policy",
            new JsonObject
            {
                ["darkChannels"] = "refuse",
                ["materialCopy"] = "automatic",
                ["confirmTimeout"] = confirmTimeout.ToString("c"),
                ["handOverTimeout"] = handOverTimeout.ToString("c"),
            });
        Require(answer, HttpStatusCode.OK);
    }

    /// <summary>The recorders that run and answer now.</summary>
    public async Task<IReadOnlyList<RecorderProcess>> ListAnsweringAsync()
    {
        var answering = new List<RecorderProcess>();
        foreach (var recorder in Recorders)
        {
            try
            {
                await recorder.GetStatusAsync();
                answering.Add(recorder);
            }
            catch (HttpRequestException)
            {
                // It is dead in this scenario, and has nothing to say.
            }
        }

        return answering;
    }

    public string NewRequestId() => $"request-{Interlocked.Increment(ref _requests)}";

    public async ValueTask DisposeAsync()
    {
        foreach (var server in Servers)
        {
            await server.DisposeAsync();
        }

        foreach (var recorder in Recorders)
        {
            await recorder.DisposeAsync();
        }

        if (_ownDatabase is not null)
        {
            await PostgresDatabases.DropAsync(_ownDatabase);
        }

        _issuer.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static JsonObject Require(Answer answer, HttpStatusCode status) => answer.Status == status
        ? answer.Json!.AsObject()
        : throw new InvalidOperationException($"Expected {(int)status}, but the answer was {answer}");
}
