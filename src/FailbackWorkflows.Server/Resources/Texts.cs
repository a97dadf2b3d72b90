using System.Globalization;
using System.Resources;

namespace FailbackWorkflows.Server.Resources;

/// <summary>
/// The texts of the pages, in <c>Texts.resx</c>. The key of a text is its English (where two differ only in case, one says in
/// brackets where it stands); a translation is a file <c>Texts.LANGUAGE.resx</c> beside it. Pages write
/// <c>@T["Start failback"]</c>; page models, tag helpers and everything static come here.
/// </summary>
public sealed class Texts
{
    private static readonly ResourceManager Resources = new(typeof(Texts));

    private Texts()
    {
    }

    /// <summary>A text as plain text, in the language of the request.</summary>
    /// <param name="key">The text in English, written where it is used: tests look for it there.</param>
    /// <param name="values">What stands in its places, <c>{0}</c> first.</param>
    public static string Of(string key, params object?[] values)
    {
        var text = Resources.GetString(key, CultureInfo.CurrentUICulture) ?? key;
        return values.Length == 0 ? text : string.Format(CultureInfo.CurrentCulture, text, values);
    }
}
