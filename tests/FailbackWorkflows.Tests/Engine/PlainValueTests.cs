using FailbackWorkflows.Engine.Expressions.Script;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Tests.Engine.Expressions;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Engine;

public sealed class PlainValueTests
{
    // JSON has no form for half a character. What a living instance holds must be what it holds when it was read again.
    [Theory]
    [InlineData("'😀'.charAt(0)")]
    [InlineData("'a😀'.slice(0, 2)")]
    [InlineData("({ [ '😀'.charAt(1) ]: ['😀', '😀'.charAt(1)] })")]
    public void From_WhatAScriptCutInHalf_IsTheSameAfterItWasStored(string script)
    {
        var plain = PlainValue.From(Script.Parse(script).Evaluate(new TestScope()));

        PlainValue.AreEqual(PlainValue.Parse(PlainValue.ToJson(plain)), plain).ShouldBeTrue();
    }

    [Fact]
    public void From_WholeCharacters_StaysAsItIs() => PlainValue.From("a😀b").ShouldBe("a😀b");
}
