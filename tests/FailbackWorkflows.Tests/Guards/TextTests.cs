using System.Text.RegularExpressions;
using System.Xml.Linq;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Guards;

/// <summary>All texts of the pages are in <c>Resources/Texts.resx</c>, so that a translation needs no code.</summary>
public sealed partial class TextTests
{
    private static readonly string Server = RepositoryFiles.PathOf("src", "FailbackWorkflows.Server");

    [Fact]
    public void EveryTextOfThePages_IsInTheResources_WithTheSamePlaces()
    {
        var texts = Resources();
        foreach (var (file, used) in Uses())
        {
            texts.ShouldContainKey(used.Key, $"{file} uses a text that is not in Texts.resx");
            Places(texts[used.Key]).ShouldBe(Places(used.Key), $"Texts.resx has other places in '{used.Key}'");
        }
    }

    [Fact]
    public void EveryText_GetsAValueForEachOfItsPlaces()
    {
        foreach (var (file, used) in Uses())
        {
            // Without any value it goes to a script of the page as it is; the script fills its places.
            used.Values.ShouldBeOneOf([Places(used.Key).Count, .. used.IsPlain ? [0] : Array.Empty<int>()], $"{file}: '{used.Key}'");
        }
    }

    [Fact]
    public void Resources_HoldNothingThatNobodyUses() => Resources().Keys.Except(Uses().Select(use => use.Used.Key)).ShouldBeEmpty();

    /// <summary>The build takes two names that differ only in case for one and leaves the second out.</summary>
    [Fact]
    public void Resources_DifferInMoreThanCase() => Resources().Keys.GroupBy(key => key, StringComparer.OrdinalIgnoreCase).Where(same => same.Count() > 1).Select(same => same.Key).ShouldBeEmpty();

    /// <summary>A text with tags in it is for pages only; as plain text a person would read the tags.</summary>
    [Fact]
    public void PlainTexts_HaveNoTags() => Uses().Where(use => use.Used.IsPlain && use.Used.Key.Contains('<')).ShouldBeEmpty();

    /// <summary>The texts of the resources go into pages as they are, also into attributes.</summary>
    [Fact]
    public void Resources_AreWellFormed()
    {
        foreach (var text in Resources().Values)
        {
            Should.NotThrow(() => XElement.Parse($"<p>{text}</p>"), text);
            Tag().Replace(text, string.Empty).ShouldNotContain("\"", customMessage: text);
        }
    }

    [Fact]
    public void Pages_SayNothingOutsideTheResources() => Files("*.cshtml")
        .SelectMany(file => WrittenText.Of(File.ReadAllText(file)).Select(text => $"{Path.GetFileName(file)}: {text}"))
        .ShouldBeEmpty();

    [Fact]
    public void CodeOfThePages_SaysNothingOutsideTheResources() => Files("*.cs")
        .SelectMany(file => WrittenText.InCode(File.ReadAllText(file)).Select(text => $"{Path.GetFileName(file)}: {text}"))
        .ShouldBeEmpty();

    [Theory]
    [InlineData("Message = \"Nothing was changed.\";", "Nothing was changed.")]
    [InlineData("Message = n == 1 ? Texts.Of(\"One\") : $\"{n} polls, {F(\"a b\")}\";", "a b| polls, ")]
    [InlineData("TempData[\"Notice\"] = Texts.Of(\"It was {0}.\", \"done\"); // \"As it is\"", "")]
    [InlineData("audit.Result = \"locked out\"; return Redirect($\"/a/{id}\");", "")]
    public void InCode_IsWhatAPersonSees(string code, string expected) => string.Join('|', WrittenText.InCode(code)).ShouldBe(expected);

    /// <summary>Scripts take what they say from attributes of the page.</summary>
    [Fact]
    public void Scripts_SayNothingOfTheirOwn() => Directory.EnumerateFiles(Path.Combine(Server, "wwwroot", "js"), "*.js")
        .SelectMany(file => Said(File.ReadAllText(file)).Select(text => $"{Path.GetFileName(file)}: {text}"))
        .ShouldBeEmpty();

    [Theory]
    [InlineData("note.textContent = \"Connection lost, retrying…\";", 1)]
    [InlineData("note.textContent = `Times are in your zone (${zone})`; // \"Not said\"", 1)]
    [InlineData("event.key === \"Escape\"; console.debug(\"not loaded ahead\", error); note.textContent = texts.zone;", 0)]
    public void Said_IsASentenceInAString(string script, int count) => Said(script).Count().ShouldBe(count);

    [Theory]
    [InlineData("<p>Hello</p>", "Hello")]
    [InlineData("<p>@T[\"Hello {0}\", Model.Name(\"x\")]</p>", "")]
    [InlineData("<p>@Model.Name, hello. @(Model.Count) @Model.Of(\"a\", b)?.C!.D</p>", ", hello.")]
    [InlineData("<p>@Model.Name: 12 · &ndash; @@ (@Model.Count)</p>", "")]
    [InlineData("@if (a < b)\n{\n  <p>One</p>\n}\nelse if (c > d)\n{\n  <p class=\"x\">Two</p>\n}\nelse\n{\n  <p>@T[\"Three\"]</p>\n}\nFour", "One|Two|Four")]
    [InlineData("@foreach (var x in Model.Of<int>())\n{\n  var y = x < 3;\n  // not seen\n  <li><b>@x</b> items</li>\n}", "items")]
    [InlineData("@{\n  ViewData[\"Title\"] = \"Users\";\n  var s = ViewData[\"Section\"] as string;\n}", "Users")]
    [InlineData("@* a comment *@<!-- another --><script>let words = 1;</script><br>", "")]
    [InlineData("<a aria-label=\"Main\" class=\"big button\" href=\"/a\" title=\"@T[\"Go\"]\">@T[\"Go\"]</a>", "Main")]
    [InlineData("<input type=\"hidden\" value=\"some value\"><input type=\"submit\" value=\"Send\">", "Send")]
    [InlineData("<td data-label=\"@(a ? \"Many words\" : T[\"None\"])\"></td>", "Many words")]
    [InlineData("<badge of='new Badge(\"Verified\", \"ok\")' />", "Verified")]
    [InlineData("<badge of='new Badge(Texts.Of(\"Verified\"), \"ok\")' />", "")]
    [InlineData("<p>@(n == \"Done\" ? \"one poll\" : $\"{n} polls\")</p>", "one poll| polls")]
    [InlineData("@section Scripts {\n  <script src=\"~/a.js\"></script>\n}\n<p>After</p>", "After")]
    public void WrittenText_IsWhatAPersonSees(string page, string expected) => string.Join('|', WrittenText.Of(page)).ShouldBe(expected);

    [Theory]
    [InlineData("Texts.Of(\"Say {0}\", F(a, b))", "Say {0}", 1)]
    [InlineData("T[\"a <a href=\\\"{0}\\\">b</a> {1}\", x, $\"{y}, {z}\"]", "a <a href=\"{0}\">b</a> {1}", 2)]
    public void Use_HasItsKeyAndItsValues(string source, string key, int values)
    {
        var used = In(source).ShouldHaveSingleItem();
        used.Key.ShouldBe(key);
        used.Values.ShouldBe(values);
    }

    [Theory]
    [InlineData("Texts.Of(name)")]
    [InlineData("T[$\"{n} polls\", n]")]
    public void Use_OfWhatIsNoLiteral_IsRefused(string source) => Should.Throw<FormatException>(() => In(source).ToList());

    [Theory]
    [InlineData("{0} of {1:00}, {0}", 2)]
    [InlineData("none", 0)]
    public void Places_AreCountedOnce(string text, int count) => Places(text).Count.ShouldBe(count);

    private static IEnumerable<string> Said(string script) => Sentence().Matches(LineComment().Replace(script, string.Empty)).Select(match => match.Value);

    private static Dictionary<string, string> Resources() => XDocument.Load(Path.Combine(Server, "Resources", "Texts.resx")).Root!.Elements("data")
        .ToDictionary(data => (string)data.Attribute("name")!, data => (string)data.Element("value")!);

    private static IEnumerable<(string File, Use Used)> Uses() => Files("*.cshtml").Concat(Files("*.cs"))
        .SelectMany(file => In(File.ReadAllText(file)).Select(used => (Path.GetFileName(file), used)));

    private static IEnumerable<string> Files(string pattern) => Directory.EnumerateFiles(Path.Combine(Server, "Pages"), pattern, SearchOption.AllDirectories).Order();

    private static IEnumerable<Use> In(string source)
    {
        foreach (Match call in Call().Matches(source))
        {
            var open = call.Index + call.Length - 1;
            if (Key().Match(source, open + 1) is not { Success: true } key)
            {
                throw new FormatException($"The key of a text is not written where it is used: {source[call.Index..Math.Min(source.Length, open + 60)]}");
            }

            yield return new(Regex.Unescape(key.Groups[1].Value), new CSharpReader(source).Commas(open), call.Value.StartsWith("Texts", StringComparison.Ordinal));
        }
    }

    private static SortedSet<string> Places(string text) => [.. Place().Matches(text).Select(place => place.Value)];

    /// <param name="IsPlain">Whether it is asked for as plain text, by code.</param>
    private sealed record Use(string Key, int Values, bool IsPlain);

    [GeneratedRegex(@"(?<![\w.])(?:T\[|Texts\.Of\()")]
    private static partial Regex Call();

    [GeneratedRegex(@"\G\s*""((?:[^""\\]|\\.)*)""\s*(?=[,\])])")]
    private static partial Regex Key();

    [GeneratedRegex(@"[""'`][A-Z][a-z]+[ ,.…][^""'`\n]*")]
    private static partial Regex Sentence();

    [GeneratedRegex(@"(?<=^|\s)//[^\n]*")]
    private static partial Regex LineComment();

    [GeneratedRegex(@"\{\d+[^}]*\}")]
    private static partial Regex Place();

    [GeneratedRegex(@"<[^>]*>")]
    private static partial Regex Tag();
}
