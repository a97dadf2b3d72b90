namespace FailbackWorkflows.Tests.Model;

public enum Kind : byte
{
    /// <summary>Somebody does his part: a run, a poll, an operator, a recorder's own timer.</summary>
    Step,

    /// <summary>What was broken is mended: a server comes up, a link heals, a late call is never heard of again.</summary>
    Repair,

    /// <summary>Something goes wrong.</summary>
    Fault,
}

public enum What : byte
{
    Activity,
    Acquire,
    Redrive,
    Abandon,
    Cancel,
    StartFailover,
    StartFailback,
    StartAdopt,
    StartOwed,
    PollConfirms,
    PollGives,
    PollStarts,
    PollStandsDown,
    PollDelayed,
    Reconcile,
    Copy,
    BootConfirm,
    Deliver,
    Forget,
    Crash,
    Restart,
    Cut,
    Heal,
    NodeCrash,
    NodeRestart,
    TakeOver,
    Restore,
    KeyWithoutEffect,
}

/// <summary>How an activity went.</summary>
public enum How : byte
{
    Done,
    GivenUp,
    Lost,
    AnswerLost,
    AnswerLostGivenUp,
    Delayed,
    DelayedGivenUp,
    Refused,
}

/// <summary>One transition, in eight bytes.</summary>
public readonly record struct Move(Kind Kind, What What, Step Step, How How, byte Identity, byte Server, byte Node, Call Call = Call.None)
{
    private static readonly string[] Names = ["A", "B", "C"];

    public static string NameOf(int server) => server < Names.Length ? Names[server] : "nobody known";

    public override string ToString()
    {
        var duty = $"the duty of {NameOf(Identity)}";
        var server = NameOf(Server);
        var text = What switch
        {
            What.Activity => $"run on {duty}: {Words(Step, server)}{Words(How)}",
            What.Acquire => $"node {Node + 1} takes up the run on {duty} and draws a new fence",
            What.Redrive => $"an operator redrives the run on {duty}",
            What.Abandon => $"an administrator abandons the run on {duty}: {server} has it",
            What.Cancel => $"an operator cancels the failback of {NameOf(Identity)}",
            What.StartFailover => $"failover of {NameOf(Identity)} to {server} starts, with its claims",
            What.StartFailback => $"failback of {NameOf(Identity)} from {server} starts, with its claims",
            What.StartAdopt => $"an operator adopts {NameOf(Identity)} as it stands",
            What.StartOwed => $"a run starts that delivers to {server} what it must be told of {duty}",
            What.PollConfirms => $"a poll tells {server}, which waits for its role, that it is still recorder for {duty}",
            What.PollGives => $"a poll tells {server} that it has {duty}",
            What.PollStarts => $"a poll has {server} record {duty}",
            What.PollStandsDown => $"a poll tells {server}, which waits for its role, that it stands by for {duty}",
            What.PollDelayed => $"what a poll tells {server} of {duty} is delayed ({Words(Call)})",
            What.Reconcile => $"the restored database asks {server} about {duty} and believes it",
            What.Copy => $"the material that {server} owes to {NameOf(Identity)} is copied and verified, the hold is released",
            What.BootConfirm => $"{server} waited long enough and records {duty} provisionally",
            What.Deliver => $"a late call arrives at {server} ({duty}: {Words(Call)})",
            What.Forget => $"a late call to {server} ({duty}: {Words(Call)}) is lost for good",
            What.Crash => $"{server} dies",
            What.Restart => $"{server} is started again",
            What.Cut => $"node {Node + 1} and {server} cannot reach each other any more",
            What.Heal => $"node {Node + 1} and {server} reach each other again",
            What.NodeCrash => $"node {Node + 1} of the management server dies",
            What.NodeRestart => $"node {Node + 1} of the management server is started again",
            What.TakeOver => $"node {Node + 1} pauses with the run on {duty}{(How == How.Delayed ? ", its call still to be sent" : "")}; its lease runs out, the other node takes up the run and draws a new fence",
            What.Restore => "yesterday's database is restored",
            What.KeyWithoutEffect => $"{server} stores the key of a call and dies before the effect",
            _ => What.ToString(),
        };
        return Kind switch
        {
            Kind.Fault => $"✗ {text}",
            Kind.Repair => $"✓ {text}",
            _ => $"  {text}",
        };
    }

    private static string Words(Step step, string server) => step switch
    {
        Step.FailoverLog => "failover = running is logged",
        Step.FailoverDraw => $"a new epoch is drawn for {server}, with what the former holder must be told",
        Step.FailoverAssign => $"{server} is given the duty and the hold",
        Step.FailoverStart => $"{server} is told to record",
        Step.FailoverConfirm => $"frames of {server} are awaited",
        Step.FailoverFail => "failover = failed is logged, the duty goes back",
        Step.FailbackCheck => "checks 1 to 5",
        Step.FailbackLog => "failback = running is logged",
        Step.FailbackFreeze => $"9a, settings are frozen at {server}",
        Step.FailbackDraw => $"9b, a new epoch is drawn for {server}",
        Step.FailbackAssign => $"9b, {server} is given the duty",
        Step.FailbackStart => $"9c, {server} is told to record",
        Step.FailbackConfirm => $"9c, frames of {server} are awaited",
        Step.FailbackNoReturn => "9d, point of no return",
        Step.FailbackLook => $"9e, a fresh frame of {server} is looked for",
        Step.FailbackStop => $"9e, {server} is told to stop",
        Step.FailbackEndHold => $"9e, the hold at {server} gets its end",
        Step.FailbackStandBy => $"9f, {server} is failover server again",
        Step.FailbackPerformed => "10, failback = done is logged, the claims are released",
        Step.UndoBegin => "undo begins",
        Step.UndoRead => $"undo, {server} is asked how it is",
        Step.UndoDraw => $"undo, a new epoch is drawn for {server}",
        Step.UndoAssign => $"undo, {server} is told that it has the duty",
        Step.UndoUnfreeze => $"undo, the freeze is lifted at {server}",
        Step.UndoStart => $"undo, {server} is told to record",
        Step.UndoConfirm => $"undo, frames of {server} are awaited",
        Step.UndoLook => $"undo, a fresh frame of {server} is looked for",
        Step.UndoStandBy => $"undo, {server} is told to stand by",
        Step.UndoLost => $"undo, the failover server is lost; what does {server} do?",
        Step.UndoEnd => "undo ends, failback = failed is logged, the claims are released",
        Step.OwedRead => $"owed, {server} is asked how it is",
        Step.OwedTell => $"owed, {server} learns the current epoch and stands by",
        Step.OwedEndHold => $"owed, the hold at {server} gets its end",
        Step.AdoptDraw => $"adoption, a new epoch is drawn for {server}",
        Step.AdoptAssign => $"adoption, {server} is given the duty",
        Step.AdoptStart => $"adoption, {server} is told to record",
        Step.AdoptEnd => "adoption, failback = done is logged",
        _ => step.ToString(),
    };

    private static string Words(Call call) => call switch
    {
        Call.AssignRecorder => "it has the duty",
        Call.AssignStandby => "it stands by",
        Call.StartRecording => "start to record",
        Call.StopRecording => "stop",
        Call.CloseHold => "the hold gets its end",
        Call.Freeze => "settings are frozen",
        Call.Unfreeze => "the freeze is lifted",
        _ => "nothing",
    };

    private static string Words(How how) => how switch
    {
        How.Done => "",
        How.GivenUp => " – no answer, given up",
        How.Lost => " – the call is lost, given up",
        How.AnswerLost => " – done, but the answer is lost",
        How.AnswerLostGivenUp => " – done, but the answer is lost, given up",
        How.Delayed => " – the call is delayed, it will be tried again",
        How.DelayedGivenUp => " – the call is delayed, given up",
        How.Refused => " – refused",
        _ => how.ToString(),
    };
}
