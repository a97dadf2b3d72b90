using FailbackWorkflows.Engine.Expressions.Script;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Engine.Expressions;

public sealed class ScriptErrorTests
{
    [Theory]
    [InlineData("for (;;) {}", 1, 1, "map, filter")]
    [InlineData("1;\n  while (true) {}", 2, 3, "reduce")]
    [InlineData("function f() {}", 1, 1, "arrow")]
    [InlineData("[1].map(function (x) { return x })", 1, 9, "arrow")]
    [InlineData("this.x", 1, 1, "this")]
    [InlineData("class A {}", 1, 1, "object literals")]
    [InlineData("var x = 1", 1, 1, "let or const")]
    [InlineData("new Date()", 1, 1, "no clock")]
    [InlineData("1 + Date.now()", 1, 10, "no clock")]
    [InlineData("new Map()", 1, 1, "new Date(value)")]
    [InlineData("Math.random()", 1, 6, "randomness")]
    [InlineData("newGuid()", 1, 1, "randomness")]
    [InlineData("setVariable('a', 1)", 1, 1, "SetVariable activity")]
    [InlineData("setCount(1)", 1, 1, "SetVariable activity")]
    [InlineData("variables.Count = 1", 1, 17, "SetVariable activity")]
    [InlineData("const o = {}; o.x = 1", 1, 19, "cannot be changed")]
    [InlineData("[].push(1)", 1, 4, "concat")]
    [InlineData("'a'.match('b')", 1, 5, "includes")]
    [InlineData("/a+/.test('a')", 1, 1, "Regular expressions")]
    [InlineData("'a'.replace(/[']/, '')", 1, 13, "Regular expressions")]
    [InlineData("({}).constructor", 1, 6, "data only")]
    [InlineData("({})['__proto__']", 1, 6, "data only")]
    [InlineData("({ __proto__: 1 })", 1, 4, "property name")]
    [InlineData("Count + 1", 1, 1, "variables.Count")]
    [InlineData("foo(1)", 1, 1, "no function 'foo'")]
    [InlineData("const a = 1; a = 2", 1, 14, "let")]
    [InlineData("const a = 1; const a = 2", 1, 20, "already declared")]
    [InlineData("const a = 1; { const b = a; const a = 2 }", 1, 35, "before its declaration")]
    [InlineData("-2 ** 2", 1, 4, "parentheses")]
    [InlineData("1 ?? 2 || 3", 1, 8, "parentheses")]
    [InlineData("1 && 2 ?? 3", 1, 8, "parentheses")]
    [InlineData("let x = 1; x++", 1, 13, "x += 1")]
    [InlineData("{ a: 1, b: 2 }", 1, 4, "in parentheses")]
    [InlineData("1, 2", 1, 2, "comma")]
    [InlineData("1 +", 1, 4, "end of the expression")]
    [InlineData("'abc", 1, 1, "not closed")]
    [InlineData("`abc ${1", 1, 9, "not closed")]
    [InlineData("1 @ 2", 1, 3, "'@'")]
    [InlineData("010", 1, 1, "octal")]
    [InlineData("10n", 1, 1, "not a number")]
    [InlineData("((a = 1) => a)()", 1, 5, "??")]
    [InlineData("Math.sinh(1)", 1, 6, "Math.sinh")]
    [InlineData("await 1", 1, 1, "activity")]
    [InlineData("console.log(1)", 1, 1, "WriteLine")]
    public void Parse_OutsideTheSubset_NamesPlaceAndReplacement(string source, int line, int column, string fragment)
    {
        var error = Should.Throw<ScriptException>(() => Script.Parse(source), source);

        error.Message.ShouldContain(fragment);
        (error.Line, error.Column).ShouldBe((line, column));
    }

    [Theory]
    [InlineData("1 +\n variables.Missing", 2, 2, "There is no variable 'Missing'")]
    [InlineData("getMissing()", 1, 1, "There is no variable 'Missing'")]
    [InlineData("variables.Nothing.a.b", 1, 19, "Cannot read 'a' of null")]
    [InlineData("variables.Nothing.trim()", 1, 19, "?.")]
    [InlineData("'a'.nope()", 1, 5, "'nope' is not a function of a string")]
    [InlineData("const x = x + 1", 1, 11, "before its declaration")]
    [InlineData("[].reduce((a, b) => a)", 1, 4, "start value")]
    [InlineData("JSON.parse('{oops}')", 1, 6, "not JSON, at character 2")]
    [InlineData("'a' in 'abc'", 1, 5, "'in' needs")]
    [InlineData("x => x", 1, 1, "is a function")]
    [InlineData("const f = 1; f()", 1, 14, "not a function")]
    [InlineData("[...5]", 1, 5, "needs an array")]
    [InlineData("[1].map(5)", 1, 5, "needs a function")]
    [InlineData("'' + (x => x)", 1, 4, "function")]
    [InlineData("'a'.repeat(-1)", 1, 5, "count")]
    [InlineData("Object.assign(null, {})", 1, 8, "needs an object")]
    [InlineData("Object.fromEntries([1])", 1, 8, "pairs")]
    public void Evaluate_WhatCannotWork_NamesThePlace(string source, int line, int column, string fragment)
    {
        var script = Script.Parse(source);
        var error = Should.Throw<ScriptException>(() => script.Evaluate(TestScope.Instance), source);

        error.Message.ShouldContain(fragment);
        (error.Line, error.Column).ShouldBe((line, column));
    }

    [Theory]
    [InlineData("'x'.repeat(1e9)")]
    [InlineData("'x'.repeat(Infinity)")]
    [InlineData("''.padStart(1e300)")]
    [InlineData("Array.from({ length: 1e9 })")]
    [InlineData("Array.from({ length: 1e4 }, (_, i) => Array.from({ length: 1e4 }))")]
    [InlineData("const f = n => f(n + 1); f(0)")]
    [InlineData("const f = n => [n].map(f); f(0)")]
    [InlineData("Array.from({ length: 30 }).reduce(a => [a, a], 0)")]
    [InlineData("Array.from({ length: 200 }).reduce(a => [a], 0)")]
    [InlineData("toJson(Array.from({ length: 200 }).reduce(a => [a], 0))")]
    [InlineData("String(Array.from({ length: 200 }).reduce(a => [a], 0))")]
    [InlineData("Array.from({ length: 200 }).reduce(a => [a], 0).flat(Infinity)")]
    [InlineData("Array.from({ length: 30 }).reduce(a => a + a, 'xxxxxxxxxxxxxxxx')")]
    [InlineData("Array.from({ length: 2000 }).map(() => 'x'.repeat(1000))")]
    [InlineData("Array.from({ length: 9000 }).map(() => 'a'.repeat(900000).includes('b'))")]
    [InlineData("('a'.repeat(400000)).includes('a'.repeat(100000) + 'b' + 'a'.repeat(100000))")]
    [InlineData("'aaaaaaaa'.repeat(1000).replaceAll('a', '$`')")]
    [InlineData("JSON.parse('['.repeat(10000))")]
    [InlineData("Array.from({ length: 20000 }, (_, i) => -i).sort((a, b) => a - b)")]
    public void Evaluate_TooMuch_StopsSoon(string source)
    {
        var script = Script.Parse(source);

        Should.Throw<ScriptException>(() => script.Evaluate(TestScope.Instance), source);
    }

    [Theory]
    [InlineData("(", ")")]
    [InlineData("[", "]")]
    [InlineData("!", "")]
    [InlineData("({ a: ", "})")]
    [InlineData("{", "}")]
    [InlineData("if (1) ", "")]
    [InlineData("x => ", "")]
    [InlineData("`${", "}`")]
    [InlineData("1 ? 1 : ", "")]
    [InlineData("2 ** ", "")]
    [InlineData("1 + (", ")")]
    public void Parse_DeepNesting_IsAnError(string open, string close)
    {
        var source = string.Concat(Enumerable.Repeat(open, 5000)) + "1" + string.Concat(Enumerable.Repeat(close, 5000));

        Should.Throw<ScriptException>(() => Script.Parse(source));
    }

    [Fact]
    public void Parse_SixtyLevels_AreAllowed() =>
        ScriptTests.Check(new string('(', 60) + "1" + new string(')', 60), "1");

    [Theory]
    [InlineData(" + 1")]
    [InlineData(".a")]
    [InlineData("[0]")]
    [InlineData(" || 1")]
    public void Parse_LongChains_AreBounded(string link)
    {
        var script = Script.Parse("'1'" + string.Concat(Enumerable.Repeat(link, 100)));
        script.References.ShouldBeEmpty();

        Should.Throw<ScriptException>(() => Script.Parse("'1'" + string.Concat(Enumerable.Repeat(link, 5000))));
    }

    [Fact]
    public void Evaluate_DeepestAllowedTree_FitsASmallStack()
    {
        var body = string.Concat(Enumerable.Repeat("[", 50)) + "f(n + 1)" + string.Concat(Enumerable.Repeat("].map(x => x)", 50));
        var script = Script.Parse($"const f = n => {body}; f(0)");
        Exception? caught = null;
        var thread = new Thread(() => caught = Record.Exception(() => script.Evaluate(TestScope.Instance)), 256 * 1024);
        thread.Start();
        thread.Join();

        caught.ShouldBeOfType<ScriptException>();
    }
}
