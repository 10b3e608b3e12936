using System.Text.RegularExpressions;
using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;
using static Vllm.Text.ChatTemplates.Builtins.ArgumentValues;

namespace Vllm.Text.ChatTemplates.Builtins;

/// <summary>Filter <c>urlize</c>: addresses in a text become links.</summary>
sealed partial class Urlizer
{
    readonly int? _trimLimit;
    readonly string _attributes;
    readonly string[] _schemes;

    [GeneratedRegex("""
        \A((https?://|www\.)(([\w%-]+\.)+)?([a-z]{2,63}|xn--[\w%]{2,59})
        |([\w%-]{2,63}\.)+(com|net|int|edu|gov|org|info|mil)
        |(https?://)((([\d]{1,3})(\.[\d]{1,3}){3})|(\[([\da-f]{0,4}:){2}([\da-f]{0,4}:?){1,6}])))
        (?::[\d]{1,5})?(?:[/?\#]\S*)?\Z
        """, RegexOptions.IgnorePatternWhitespace | RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Http();

    [GeneratedRegex(@"\A\S+@\w[\w.-]*\.\w+\Z", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Email();

    [GeneratedRegex(@"\A(?:[(<]|&lt;)+", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Opening();

    [GeneratedRegex(@"(?:[)>.,\n]|&gt;)+\Z", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Closing();

    [GeneratedRegex(@"\A([\w.+-]{2,}:(/){0,2})\z", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Scheme();

    [GeneratedRegex(@"(\s+)", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Space();

    Urlizer(int? trimLimit, string rel, string? target, string[] schemes)
    {
        _trimLimit = trimLimit;
        _schemes = schemes;
        _attributes = $" rel=\"{Markup.EscapeText(rel)}\"" + (target is null ? ""
            : $" target=\"{Markup.EscapeText(target)}\"");
    }

    public static object? Filter(RenderState state, object? value, Arguments arguments)
    {
        object?[] bound = arguments.Bind("do_urlize", 0, "trim_url_limit", "nofollow", "target", "rel",
            "extra_schemes");
        int? limit = OrNone(bound[0]) is { } given ? PyNumber.RequireIndex(given) : null;
        var rel = new SortedSet<string>(StringComparer.Ordinal) { "noopener" };
        if (OrFalse(bound[1])) rel.Add("nofollow");
        if (OrNone(bound[3]) is { } more) rel.UnionWith(StringMethods.SplitWords(RequireText(more, "rel"), -1));
        string? target = OrNone(bound[2]) is { } name ? RequireText(name, "target") : null;
        string[] schemes = OrNone(bound[4]) is { } extra
            ? [.. Iteration.Enumerate(state, extra).Select(scheme => RequireText(scheme, "extra_schemes"))] : [];
        foreach (string scheme in schemes)
            if (!Scheme().IsMatch(scheme))
                throw Error.Runtime($"{PyRepr.Repr(scheme)} is not a valid URI scheme prefix.");
        string text = Markup.Escape(value, state.Budget).Content;
        state.Budget.ScanWords(text);
        try
        {
            var urlizer = new Urlizer(limit, string.Join(' ', rel), target, schemes);
            return string.Concat(Space().Split(text).Select(urlizer.Link));
        }
        catch (RegexMatchTimeoutException)
        {
            throw Error.Limit("urlize takes too long");
        }
    }

    string Link(string word)
    {
        string head = Opening().Match(word).Value, middle = word[head.Length..];
        string tail = Closing().Match(middle).Value;
        middle = middle[..(middle.Length - tail.Length)];
        // A closing bracket whose opening one is part of the address belongs to it.
        foreach ((string open, string close) in new[] { ("(", ")"), ("<", ">"), ("&lt;", "&gt;") })
        {
            int opened = middle.AsSpan().Count(open);
            if (opened <= middle.AsSpan().Count(close)) continue;
            for (int i = Math.Min(opened, tail.AsSpan().Count(close)); i > 0; i--)
            {
                int end = tail.IndexOf(close, StringComparison.Ordinal) + close.Length;
                middle += tail[..end];
                tail = tail[end..];
            }
        }
        return head + LinkAddress(middle) + tail;
    }

    string LinkAddress(string address)
    {
        if (Http().IsMatch(address))
        {
            bool hasScheme = address.StartsWith("https://", StringComparison.Ordinal)
                || address.StartsWith("http://", StringComparison.Ordinal);
            return $"<a href=\"{(hasScheme ? "" : "https://")}{address}\"{_attributes}>{Trimmed(address)}</a>";
        }
        if (address.StartsWith("mailto:", StringComparison.Ordinal) && Email().IsMatch(address[7..]))
            return $"<a href=\"{address}\">{address[7..]}</a>";
        if (address.Contains('@') && !address.StartsWith("www.", StringComparison.Ordinal)
            && !address.StartsWith('@') &&
            !address.Contains(':') && Email().IsMatch(address))
            return $"<a href=\"mailto:{address}\">{address}</a>";
        foreach (string scheme in _schemes)
            if (address != scheme && address.StartsWith(scheme, StringComparison.Ordinal))
                return $"<a href=\"{address}\"{_attributes}>{address}</a>";
        return address;
    }

    string Trimmed(string address)
    {
        if (_trimLimit is not { } limit || PyString.Length(address) <= limit) return address;
        int end = limit < 0 ? Math.Max(0, PyString.Length(address) + limit) : limit;
        return address[..PyString.UnitIndex(address, end)] + "...";
    }
}
