using System.Net;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Http;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Recorders.Http;

public sealed class RecorderErrorsTests
{
    [Fact]
    public void Problem_WhoseTextIsNoUnicode_IsJudgedByItsStatus()
    {
        var error = RecorderErrors.FromAnswer(new RecorderEndpoint("vms-1", new Uri("http://127.0.0.1:5101/"), "credential"), HttpStatusCode.Conflict, """{"type":"urn:x","detail":"\ud800"}"""u8);

        error.Kind.ShouldBe(RecorderErrorKind.Conflict);
        error.Message.ShouldContain("409");
    }
}
