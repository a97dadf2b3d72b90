using System.Collections.Frozen;

namespace FailbackWorkflows.Engine.Expressions.Script.Syntax;

/// <summary>The words of JavaScript that the subset leaves out, each with what to write in its place.</summary>
internal static class Vocabulary
{
    private const string NoLoops = "Loops are not supported; use map, filter, find, some, every or reduce.";
    private const string NoClasses = "Classes are not supported; use object literals.";
    private const string NoAsync = "Expressions cannot wait; use an activity.";
    private const string NoFaults = "Expressions cannot throw or catch; use if, ?: or ??, and the Fault activity.";
    private const string NoReach = "is not available: expressions reach nothing outside their workflow.";
    private const string Immutable = "Arrays and objects cannot be changed; build a new one with [...items, x], concat, slice or filter.";
    private const string NoRegex = "Regular expressions are not supported; use includes, indexOf, split or replaceAll.";
    private const string NoLocalTime = "Local time is not available; use the getUTC... functions.";
    private const string NoLocale = "Locales are not available; use toString, toFixed or toISOString.";

    /// <summary>Clock and randomness would make the same state give different results after a restart.</summary>
    public const string NoClock = "Expressions have no clock; use new Date(value) with a value of the workflow.";

    public const string NoRandomness = "Expressions have no randomness: the same state must give the same result.";

    public const string NoAssignment = "Expressions cannot set variables; use the SetVariable activity.";

    public static readonly FrozenSet<string> Keywords = new[]
    {
        "true", "false", "null", "typeof", "in", "let", "const", "if", "else", "return", "new",
    }.ToFrozenSet();

    public static readonly FrozenDictionary<string, string> RefusedKeywords = new Dictionary<string, string>
    {
        ["for"] = NoLoops,
        ["while"] = NoLoops,
        ["do"] = NoLoops,
        ["break"] = NoLoops,
        ["continue"] = NoLoops,
        ["function"] = "The function keyword is not supported; write an arrow function: (x) => x + 1.",
        ["class"] = NoClasses,
        ["extends"] = NoClasses,
        ["super"] = NoClasses,
        ["this"] = "'this' is not supported; name the value you mean.",
        ["var"] = "'var' is not supported; use let or const.",
        ["switch"] = "'switch' is not supported; use if/else, ?: or an object with one property per case.",
        ["case"] = "'switch' is not supported; use if/else, ?: or an object with one property per case.",
        ["default"] = "'default' is not supported.",
        ["try"] = NoFaults,
        ["catch"] = NoFaults,
        ["finally"] = NoFaults,
        ["throw"] = NoFaults,
        ["async"] = NoAsync,
        ["await"] = NoAsync,
        ["yield"] = "Generators are not supported; use map or reduce.",
        ["delete"] = "'delete' is not supported; build a new object, for example with Object.fromEntries and filter.",
        ["void"] = "'void' is not supported; write undefined.",
        ["instanceof"] = "'instanceof' is not supported; use typeof or Array.isArray.",
        ["import"] = "Modules are not supported.",
        ["export"] = "Modules are not supported.",
        ["with"] = "'with' is not supported.",
        ["debugger"] = "'debugger' is not supported.",
        ["enum"] = "'enum' is not supported.",
    }.ToFrozenDictionary();

    public static readonly FrozenDictionary<string, string> RefusedGlobals = new Dictionary<string, string>
    {
        ["setVariable"] = NoAssignment,
        ["setOutput"] = "Expressions cannot set outputs; use the SetOutput activity.",
        ["newGuid"] = NoRandomness,
        ["newShortGuid"] = NoRandomness,
        ["newGuidString"] = NoRandomness,
        ["eval"] = "'eval' is not available.",
        ["Function"] = "'Function' is not available; write an arrow function: (x) => x + 1.",
        ["RegExp"] = NoRegex,
        ["setTimeout"] = "Expressions cannot wait; use the Delay activity.",
        ["setInterval"] = "Expressions cannot wait; use the Timer activity.",
        ["Promise"] = NoAsync,
        ["fetch"] = "'fetch' " + NoReach,
        ["require"] = "'require' " + NoReach,
        ["console"] = "'console' " + NoReach + " Use the WriteLine activity.",
        ["globalThis"] = "'globalThis' " + NoReach,
        ["window"] = "'window' " + NoReach,
        ["process"] = "'process' " + NoReach,
        ["System"] = "'System' " + NoReach,
        ["importNamespace"] = "'importNamespace' " + NoReach,
        ["Reflect"] = "'Reflect' is not available.",
        ["Proxy"] = "'Proxy' is not available.",
        ["Symbol"] = "'Symbol' is not available.",
        ["BigInt"] = "'BigInt' is not available; numbers are doubles.",
        ["Map"] = "'Map' is not available; use an object or Object.fromEntries.",
        ["Set"] = "'Set' is not available; use an array and filter((x, i, all) => all.indexOf(x) === i).",
        ["Intl"] = NoLocale,
    }.ToFrozenDictionary();

    public static readonly FrozenDictionary<string, string> RefusedStatics = new Dictionary<string, string>
    {
        ["Math.random"] = NoRandomness,
        ["Date.now"] = NoClock,
        ["Object.freeze"] = "Objects cannot be changed in any case; leave Object.freeze out.",
        ["Array.of"] = "Array.of is not supported; write an array literal.",
    }.ToFrozenDictionary();

    public static readonly FrozenDictionary<string, string> RefusedMethods = new Dictionary<string, string>
    {
        ["push"] = Immutable,
        ["pop"] = Immutable,
        ["shift"] = Immutable,
        ["unshift"] = Immutable,
        ["splice"] = Immutable,
        ["fill"] = Immutable,
        ["copyWithin"] = Immutable,
        ["forEach"] = "forEach is not supported, as expressions have no effects; use map or reduce.",
        ["reduceRight"] = "reduceRight is not supported; use reverse().reduce(...).",
        ["match"] = NoRegex,
        ["matchAll"] = NoRegex,
        ["search"] = NoRegex,
        ["test"] = NoRegex,
        ["exec"] = NoRegex,
        ["substr"] = "substr is not supported; use slice or substring.",
        ["hasOwnProperty"] = "hasOwnProperty is not supported; use Object.hasOwn(object, name) or name in object.",
        ["call"] = "call is not supported; call the function itself.",
        ["apply"] = "apply is not supported; use f(...values).",
        ["bind"] = "bind is not supported; use an arrow function.",
        ["then"] = NoAsync,
        ["toLocaleString"] = NoLocale,
        ["toLocaleDateString"] = NoLocale,
        ["toLocaleTimeString"] = NoLocale,
        ["toLocaleUpperCase"] = "toLocaleUpperCase is not supported; use toUpperCase.",
        ["toLocaleLowerCase"] = "toLocaleLowerCase is not supported; use toLowerCase.",
        ["getFullYear"] = NoLocalTime,
        ["getMonth"] = NoLocalTime,
        ["getDate"] = NoLocalTime,
        ["getDay"] = NoLocalTime,
        ["getHours"] = NoLocalTime,
        ["getMinutes"] = NoLocalTime,
        ["getSeconds"] = NoLocalTime,
        ["getMilliseconds"] = NoLocalTime,
        ["getTimezoneOffset"] = NoLocalTime,
    }.ToFrozenDictionary();

    public static bool IsReserved(string word) => Keywords.Contains(word) || RefusedKeywords.ContainsKey(word);

    /// <summary>The ways from a value to the machinery behind it; there is no such machinery here, and asking for it is a mistake.</summary>
    public static bool IsForbiddenProperty(string name) => name is "__proto__" or "constructor" or "prototype";
}
