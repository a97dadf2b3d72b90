using System.Text.Json;
using FailbackWorkflows.Engine.Expressions.Script;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Engine.Expressions;

public sealed class ScriptTests
{
    [Theory]
    [InlineData("1 + 2 * 3", "7")]
    [InlineData("(1 + 2) * 3", "9")]
    [InlineData("2 ** 3 ** 2", "512")]
    [InlineData("(-2) ** 2", "4")]
    [InlineData("7 % 3", "1")]
    [InlineData("-7 % 3", "-1")]
    [InlineData("5.5 % 2", "1.5")]
    [InlineData("0.1 + 0.2", "0.30000000000000004")]
    [InlineData("1 / 0", "null")]
    [InlineData("0 / 0", "null")]
    [InlineData("-0", "0")]
    [InlineData("1 / -0 === -Infinity", "true")]
    [InlineData("0xff + 1e3 + .5", "1255.5")]
    [InlineData("0b101 + 0o17", "20")]
    [InlineData("1 ** Infinity", "null")]
    [InlineData("5 & 3 | 8 ^ 1", "9")]
    [InlineData("~5", "-6")]
    [InlineData("-1 >>> 0", "4294967295")]
    [InlineData("1 << 33", "2")]
    [InlineData("-8 >> 1", "-4")]
    [InlineData("4294967296.5 | 0", "0")]
    [InlineData("2147483648 | 0", "-2147483648")]
    [InlineData("1 + '2'", "\"12\"")]
    [InlineData("'3' * '4'", "12")]
    [InlineData("1 + null", "1")]
    [InlineData("1 + undefined", "null")]
    [InlineData("true + true", "2")]
    [InlineData("[] + {}", "\"[object Object]\"")]
    [InlineData("[1,[2,3],null] + ''", "\"1,2,3,\"")]
    [InlineData("+' 12 '", "12")]
    [InlineData("+''", "0")]
    [InlineData("+'1x'", "null")]
    [InlineData("+[5]", "5")]
    [InlineData("+'0x1F'", "31")]
    [InlineData("-'3'", "-3")]
    public void Arithmetic(string source, string expected) => Check(source, expected);

    [Theory]
    [InlineData("1 == '1'", true)]
    [InlineData("1 === '1'", false)]
    [InlineData("null == undefined", true)]
    [InlineData("null === undefined", false)]
    [InlineData("null == 0", false)]
    [InlineData("'' == 0", true)]
    [InlineData("true == 1", true)]
    [InlineData("true == 'true'", false)]
    [InlineData("NaN == NaN", false)]
    [InlineData("NaN != NaN", true)]
    [InlineData("[1] == 1", true)]
    [InlineData("[] == []", false)]
    [InlineData("'b' > 'a'", true)]
    [InlineData("'B' > 'a'", false)]
    [InlineData("'10' < '9'", true)]
    [InlineData("'10' < 9", false)]
    [InlineData("null >= 0", true)]
    [InlineData("undefined >= 0", false)]
    [InlineData("NaN <= NaN", false)]
    [InlineData("!''", true)]
    [InlineData("!'0'", false)]
    [InlineData("!NaN", true)]
    [InlineData("![]", false)]
    [InlineData("!!{}.a", false)]
    [InlineData("variables.Count === 41", true)]
    [InlineData("'id' in variables.Camera", true)]
    [InlineData("5 in [1, 2]", false)]
    [InlineData("0 in [1, 2]", true)]
    public void Comparisons(string source, bool expected) => Check(source, expected ? "true" : "false");

    [Theory]
    [InlineData("1 && 0 || 'x'", "\"x\"")]
    [InlineData("null ?? 'd'", "\"d\"")]
    [InlineData("0 ?? 'd'", "0")]
    [InlineData("false && nope.x || 2", null)]
    [InlineData("(null || undefined) ?? 3", "3")]
    [InlineData("true ? 1 : false ? 2 : 3", "1")]
    [InlineData("typeof null + typeof undefined + typeof 1 + typeof '' + typeof (x => x) + typeof []",
        "\"objectundefinednumberstringfunctionobject\"")]
    [InlineData("variables.Nothing?.a.b.c", "null")]
    [InlineData("variables.Nothing?.[0].a()", "null")]
    [InlineData("variables.Nothing?.trim().x", "null")]
    [InlineData("variables.Camera.missing?.()", "null")]
    [InlineData("variables.Camera.tags?.[1]", "\"b\"")]
    [InlineData("true ?.5 : 1", "0.5")]
    [InlineData("`a${1 + 1}b${`c${'}'}`}`", "\"a2bc}\"")]
    [InlineData("`a\\n\\x41\\u0042\\u{1F600}\\${1}`", "\"a\\nAB😀${1}\"")]
    [InlineData("'it\\'s' + \"\\\"\"", "\"it's\\\"\"")]
    [InlineData("[1, ...[2, 3], ...'ab']", "[1,2,3,\"a\",\"b\"]")]
    [InlineData("({ a: 1, 'b': 2, ['c' + 1]: 3, ...{ d: 4 }, ...null })", "{\"a\":1,\"b\":2,\"c1\":3,\"d\":4}")]
    [InlineData("const a = 1, b = 2; ({ a, b })", "{\"a\":1,\"b\":2}")]
    [InlineData("Math.max(...[1, 5, 3], 4)", "5")]
    [InlineData("'abc'[1] + 'abc'.length + [7][0] + [1].length", "\"b371\"")]
    [InlineData("[1][5]", "null")]
    [InlineData("({ a: { b: [1, 2] } }).a['b'][1]", "2")]
    [InlineData("Object.keys({ b: 1, 2: 1, a: 1, 1: 1 })", "[\"1\",\"2\",\"b\",\"a\"]")]
    [InlineData("[undefined, NaN, -0, 1.5]", "[null,null,0,1.5]")]
    [InlineData("({ a: undefined })", "{\"a\":null}")]
    public void Expressions(string source, string? expected)
    {
        if (expected is null)
        {
            Should.Throw<ScriptException>(() => Script.Parse(source));
            return;
        }

        Check(source, expected);
    }

    [Theory]
    [InlineData("", "null")]
    [InlineData("1; 2", "2")]
    [InlineData("1; const a = 2;", "1")]
    [InlineData("return 5; 6", "5")]
    [InlineData("return\n5", "null")]
    [InlineData("if (1) { 'a' } else { 'b' }", "\"a\"")]
    [InlineData("if (0) 'a'; else if (1) 'b'; else 'c'", "\"b\"")]
    [InlineData("1; if (0) 2", "null")]
    [InlineData("let x = 1; x += 2; x *= 3; x **= 2; x", "81")]
    [InlineData("let x; x ??= 4; x ||= 5; x &&= 6; x", "6")]
    [InlineData("let x = 1\nlet y = 2\nx + y", "3")]
    [InlineData("let x = 1; { let x = 2; x = 3 } x", "1")]
    [InlineData("const f = (a, b) => a + b; f(1, 2)", "3")]
    [InlineData("const f = n => n < 2 ? n : f(n - 1) + f(n - 2); f(10)", "55")]
    [InlineData("const f = a => { if (a) { return 'yes' } 'ignored' }; [f(1), f(0)]", "[\"yes\",null]")]
    [InlineData("const add = a => b => a + b; add(1)(2)", "3")]
    [InlineData("let n = 0; [1, 2, 3].map(x => { n += x; return n })", "[1,3,6]")]
    [InlineData("const { id, tags: t } = variables.Camera; const [first, , ] = t; id + first", "\"c1a\"")]
    [InlineData("Object.entries({ a: 1, b: 2 }).map(([k, v]) => k + v)", "[\"a1\",\"b2\"]")]
    [InlineData("[{ x: 1 }, { x: 2 }].map(({ x }, i) => x * 10 + i)", "[10,21]")]
    [InlineData("const math = { twice: x => x * 2 }; math.twice(4)", "8")]
    [InlineData("// comment\n/* more */ 1", "1")]
    [InlineData("(() => ({ a: 1 }))()", "{\"a\":1}")]
    [InlineData("const String2 = String; [1, 2].map(String2)", "[\"1\",\"2\"]")]
    public void Statements(string source, string expected) => Check(source, expected);

    [Theory]
    [InlineData("getVariable('Count') + 1", "42")]
    [InlineData("variables.Count", "41")]
    [InlineData("variables['Co' + 'unt']", "41")]
    [InlineData("getCount()", "41")]
    [InlineData("getName()", "\"Ada\"")]
    [InlineData("getCurrentValue()", "\"cam-1\"")]
    [InlineData("variables.Big", "9007199254740993")]
    [InlineData("`${variables.Big}`", "\"9007199254740993\"")]
    [InlineData("JSON.parse('[9007199254740993]')[0]", "9007199254740993")]
    [InlineData("getInput('Site') + input.Site", "\"northnorth\"")]
    [InlineData("getInput('Missing') ?? 'none'", "\"none\"")]
    [InlineData("getOutputFrom('Scan') + getOutputFrom('Scan', 'Total')", "\"defaultTotal\"")]
    [InlineData("getOutputFrom('Other')", "null")]
    [InlineData("getLastResult()", "7")]
    [InlineData("getWorkflowInstanceId() + getWorkflowDefinitionId() + getWorkflowDefinitionVersion()", "\"instance-1definition-13\"")]
    [InlineData("getCorrelationId()", "null")]
    [InlineData("toJson(variables.Camera)", "\"{\\\"id\\\":\\\"c1\\\",\\\"online\\\":true,\\\"tags\\\":[\\\"a\\\",\\\"b\\\"]}\"")]
    [InlineData("parseJson('{\"a\":[1,2.5,\"x\"]}').a", "[1,2.5,\"x\"]")]
    [InlineData("isNullOrEmpty('') && isNullOrWhiteSpace(' ') && isNullOrEmpty(null)", "true")]
    public void WorkflowFunctions(string source, string expected) => Check(source, expected);

    [Fact]
    public void Result_WithoutChange_IsTheHostsOwnValue() =>
        Script.Parse("variables.Camera").Evaluate(TestScope.Instance).ShouldBeSameAs(TestScope.Instance.Variables["Camera"]);

    [Fact]
    public void Result_IntegralNumbers_AreLong()
    {
        Script.Parse("2 * 3").Evaluate(TestScope.Instance).ShouldBeOfType<long>();
        Script.Parse("2 ** 53").Evaluate(TestScope.Instance).ShouldBe(9007199254740992L);
        Script.Parse("2 ** 54").Evaluate(TestScope.Instance).ShouldBeOfType<double>();
        Script.Parse("0.5").Evaluate(TestScope.Instance).ShouldBeOfType<double>();
    }

    [Fact]
    public void References_ListEveryNameInTheText()
    {
        var script = Script.Parse("variables.A + getVariable('B')\n + getFoo() + input.C + getInput('D') + getOutputFrom('S', 'O') + getVariable('x' + 1)");

        script.References.ShouldBe(
        [
            new(ScriptReferenceKind.Variable, "A", null, null, 1, 1),
            new(ScriptReferenceKind.Variable, "B", null, null, 1, 15),
            new(ScriptReferenceKind.Variable, "Foo", "foo", null, 2, 4),
            new(ScriptReferenceKind.Input, "C", null, null, 2, 15),
            new(ScriptReferenceKind.Input, "D", null, null, 2, 25),
            new(ScriptReferenceKind.Output, "S", null, "O", 2, 41),
        ]);
    }

    [Fact]
    public void Evaluate_Twice_GivesTheSame()
    {
        var script = Script.Parse("const t = variables.Items.map(x => x / 3).sort(); ({ t, s: JSON.stringify(t), d: new Date(1.5e12) })");

        Json(script.Evaluate(TestScope.Instance)).ShouldBe(Json(script.Evaluate(TestScope.Instance)));
    }

    internal static void Check(string source, string expectedJson) =>
        Json(Script.Parse(source).Evaluate(TestScope.Instance)).ShouldBe(Json(JsonSerializer.Deserialize<JsonElement>(expectedJson)), source);

    private static string Json(object? value) => JsonSerializer.Serialize(value);
}
