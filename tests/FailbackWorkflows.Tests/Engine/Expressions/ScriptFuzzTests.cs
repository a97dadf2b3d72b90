using System.Text.Json;
using System.Text.RegularExpressions;
using FailbackWorkflows.Engine.Expressions.Script;
using Shouldly;
using Xunit;
using Xunit.Abstractions;

namespace FailbackWorkflows.Tests.Engine.Expressions;

public sealed class ScriptFuzzTests(ITestOutputHelper output)
{
    private static readonly string[] Words =
    [
        "1", "0", "-1", "1.5", "1e308", "9007199254740993", "''", "'abc'", "'1'", "true", "null", "undefined", "NaN", "[", "]", "(", ")",
        "{", "}", "({", "})", ",", ";", "\n", ".", "?.", "?.[", "?.(", "...", "=>", "x =>", "(x, y) =>", "x", "y", "const x =", "let y =",
        "x =", "y +=", "return", "if (", "else", "typeof", "in", "!", "-", "+", "~", "*", "/", "%", "**", "<", ">=", "==", "===", "!=",
        "&&", "||", "??", "?", ":", "&", "<<", ">>>", "`", "`a${", "}`", "a:", "length", ".length", ".map(", ".filter(", ".reduce(",
        ".sort(", ".flat(", ".join(", ".slice(", ".at(", ".split(", ".replaceAll(", ".repeat(", ".padStart(", ".toFixed(", ".toString(",
        ".lastIndexOf(", ".indexOf(", "Math.max(", "JSON.stringify(", "JSON.parse(", "Object.entries(", "Object.fromEntries(",
        "Array.from(", "new Date(", ".toISOString()", ".getUTCMonth()", "variables.Items", "variables.Camera", "getName()", "input.Site",
        "parseInt(", "String(", "Number", "for", "this", "#", "\\", "\"", "\ud800", "/*", "//", "0x", "[k, v]", "{ id }", "Infinity",
    ];

    // Whole pieces that fit together, so that much of what they build also runs.
    private static readonly string[] Atoms =
    [
        "1", "0", "-1.5", "'abc'", "''", "null", "undefined", "[]", "[3,1,2]", "[[1,'a'],[2]]", "({ a: 1, length: 2 })", "variables.Items",
        "variables.Camera", "variables.Big", "new Date(5)", "new Date('x')", "NaN", "Infinity", "1e300", "(x => x)", "((a, b) => a < b)", "'-5'",
    ];

    private static readonly string[] Shapes =
    [
        "(A + B)", "(A - B)", "(A == B)", "(A < B)", "(A ?? B)", "(A % B)", "(A >>> B)", "(A ** B)", "(A in B)", "[A, ...B]", "({ ...A, [B]: 1 })",
        "(A)?.[B]", "(A)?.length", "(A).map(B)", "(A).filter(B)", "(A).sort(B)", "(A).reduce(B, C)", "(A).flat(B)", "(A).flatMap(B)",
        "(A).join(B)", "(A).slice(B, C)", "(A).substring(B, C)", "(A).at(B)", "(A).charAt(B)", "(A).split(B, C)", "(A).replace(B, C)",
        "(A).replaceAll(B, C)", "(A).repeat(B)", "(A).padStart(B, C)", "(A).padEnd(B, C)", "(A).indexOf(B, C)", "(A).lastIndexOf(B, C)",
        "(A).includes(B, C)", "(A).startsWith(B, C)", "(A).endsWith(B, C)", "(A).concat(B, C)", "(A).toFixed(B)", "(A).toString(B)",
        "(A).localeCompare(B)", "(A).getUTCDay()", "(A).toISOString()", "Math.max(A, B)", "Math.round(A)", "parseInt(A, B)", "parseFloat(A)",
        "String(A)", "Number(A)", "JSON.stringify(A, null, B)", "JSON.parse(A)", "Object.entries(A)", "Object.keys(A)", "Object.assign(A, B)",
        "Object.fromEntries(A)", "Array.from(A, B)", "new Date(A)", "Date.parse(A)", "`${A}:${B}`", "((x, [y]) => A)(B, C)", "typeof A", "(A ? B : C)",
        "isNullOrEmpty(A)", "getVariable(A)", "getInput(A)", "getOutputFrom(A, B)", "Object.hasOwn(A, B)", "(A).findLast(B)", "(A).reverse()", "-A", "~A",
    ];

    [Fact]
    public void RandomTokens_OnlyEverFailAsScriptErrors() => Run(20_000, random =>
        string.Concat(Enumerable.Range(0, random.Next(1, 25)).Select(_ => Words[random.Next(Words.Length)] + (random.Next(3) > 0 ? " " : ""))));

    [Fact]
    public void RandomExpressions_OnlyEverFailAsScriptErrors() => Run(20_000, random => Grow(random, random.Next(1, 5)));

    private static string Grow(Random random, int depth)
    {
        if (depth == 0)
        {
            return Atoms[random.Next(Atoms.Length)];
        }

        // The holes are the capital letters that stand alone.
        return Regex.Replace(
            Shapes[random.Next(Shapes.Length)], "\\b[ABC]\\b", _ => Grow(random, random.Next(depth)));
    }

    private void Run(int count, Func<Random, string> make)
    {
        var seed = Environment.GetEnvironmentVariable("SCRIPT_FUZZ_SEED") is { } given ? int.Parse(given) : Environment.TickCount;
        output.WriteLine($"SCRIPT_FUZZ_SEED={seed}");
        var random = new Random(seed);
        var evaluated = 0;
        for (var i = 0; i < count; i++)
        {
            var source = make(random);
            try
            {
                var script = Script.Parse(source);
                var first = JsonSerializer.Serialize(script.Evaluate(TestScope.Instance));
                evaluated++;
                JsonSerializer.Serialize(script.Evaluate(TestScope.Instance)).ShouldBe(first, source);
            }
            catch (ScriptException error)
            {
                error.Line.ShouldBeGreaterThan(0);
                error.Column.ShouldBeGreaterThan(0);
            }
            catch (Exception error)
            {
                throw new InvalidOperationException($"Seed {seed}: {source}", error);
            }
        }

        output.WriteLine($"{evaluated} of {count} gave a value");
        evaluated.ShouldBeGreaterThan(0);
    }
}
