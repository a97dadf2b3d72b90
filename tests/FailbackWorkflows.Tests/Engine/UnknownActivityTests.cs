using System.Text.Json.Nodes;
using Shouldly;
using Xunit;
using static FailbackWorkflows.Tests.Engine.Json;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>What Elsa has and this engine has not is said at publish, with its place and what to use instead.</summary>
public sealed class UnknownActivityTests
{
    [Theory]
    [InlineData("Elsa.HttpEndpoint", "event")]
    [InlineData("Elsa.RunJavaScript", "SetVariable")]
    [InlineData("Elsa.RunCSharp", "write an activity in C#")]
    [InlineData("Elsa.RunPython", "write an activity in C#")]
    [InlineData("Elsa.WriteHttpResponse", "SetOutput")]
    [InlineData("Elsa.ReadLine", "RunTask")]
    [InlineData("Elsa.StateMachine", "Flowchart")]
    [InlineData("Elsa.Join", "FlowJoin")]
    [InlineData("Elsa.NotFoundActivity", "right activity")]
    [InlineData("Elsa.SendEmail", "RunTask")]
    [InlineData("Acme.Something", "There is no activity")]
    public void UnknownType_IsRefusedAndNamesTheReplacement(string type, string replacement)
    {
        var problem = Problems.Of(Sequence("all", If("if", Literal(true), Activity(type, "x")))).ShouldHaveSingleItem();

        problem.ActivityId.ShouldBe("x");
        problem.Path.ShouldBe("$.root.activities[0].then.type");
        problem.Message.ShouldContain(replacement);
    }

    [Theory]
    [InlineData("CSharp")]
    [InlineData("Liquid")]
    [InlineData("Python")]
    public void UnknownExpression_IsRefusedAndNamesTheReplacement(string type)
    {
        var problem = Problems.Of(Do("a", ("value", Expression(type, "1")))).ShouldHaveSingleItem();

        problem.Path.ShouldBe("$.root.value.expression.type");
        problem.Message.ShouldContain("JavaScript");
    }

    [Fact]
    public void ResilienceStrategy_IsRefusedAndNamesRetry() =>
        Problems.Of(Do("a").Custom("resilienceStrategy", new JsonObject { ["id"] = "fast" })).ShouldHaveSingleItem().Message.ShouldContain("'retry'");

    [Fact]
    public void SetVariable_TextThatIsNotOfTheVariablesType_IsRefused()
    {
        var problem = Problems.OfDefinition(Workflow(Set("set", "N", Literal("many")), ["N=1"])).ShouldHaveSingleItem();

        problem.Path.ShouldBe("$.root.value");
        problem.Message.ShouldContain("Int32");
    }
}
