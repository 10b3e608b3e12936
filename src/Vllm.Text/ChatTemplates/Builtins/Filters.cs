using System.Collections.Frozen;
using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Builtins;

delegate object? Filter(RenderState state, object? value, Arguments arguments);

/// <summary>All filters of Jinja 3.1.6, with transformers' <c>tojson</c> in place of Jinja's.</summary>
static class Filters
{
    static readonly FrozenDictionary<string, Filter> All = new Dictionary<string, Filter>
    {
        ["abs"] = NumberFilters.Abs,
        ["attr"] = SelectionFilters.Attr,
        ["batch"] = SequenceFilters.Batch,
        ["capitalize"] = TextFilters.Capitalize,
        ["center"] = TextFilters.Center,
        ["count"] = SequenceFilters.Length,
        ["d"] = SelectionFilters.Default,
        ["default"] = SelectionFilters.Default,
        ["dictsort"] = SequenceFilters.DictSort,
        ["e"] = HtmlFilters.Escape,
        ["escape"] = HtmlFilters.Escape,
        ["filesizeformat"] = NumberFilters.FileSizeFormat,
        ["first"] = SequenceFilters.First,
        ["float"] = NumberFilters.Float,
        ["forceescape"] = HtmlFilters.ForceEscape,
        ["format"] = TextFilters.Format,
        ["groupby"] = SequenceFilters.GroupBy,
        ["indent"] = TextFilters.Indent,
        ["int"] = NumberFilters.Int,
        ["items"] = SequenceFilters.Items,
        ["join"] = TextFilters.Join,
        ["last"] = SequenceFilters.Last,
        ["length"] = SequenceFilters.Length,
        ["list"] = SequenceFilters.List,
        ["lower"] = TextFilters.Lower,
        ["map"] = SelectionFilters.Map,
        ["max"] = SequenceFilters.Max,
        ["min"] = SequenceFilters.Min,
        ["pprint"] = PrettyPrinter.Filter,
        ["random"] = SequenceFilters.Random,
        ["reject"] = SelectionFilters.Reject,
        ["rejectattr"] = SelectionFilters.RejectAttr,
        ["replace"] = TextFilters.Replace,
        ["reverse"] = SequenceFilters.Reverse,
        ["round"] = NumberFilters.Round,
        ["safe"] = HtmlFilters.Safe,
        ["select"] = SelectionFilters.Select,
        ["selectattr"] = SelectionFilters.SelectAttr,
        ["slice"] = SequenceFilters.Slice,
        ["sort"] = SequenceFilters.Sort,
        ["string"] = TextFilters.String,
        ["striptags"] = HtmlFilters.StripTags,
        ["sum"] = SequenceFilters.Sum,
        ["title"] = TextFilters.Title,
        ["tojson"] = JsonWriter.Filter,
        ["trim"] = TextFilters.Trim,
        ["truncate"] = TextFilters.Truncate,
        ["unique"] = SequenceFilters.Unique,
        ["upper"] = TextFilters.Upper,
        ["urlencode"] = HtmlFilters.UrlEncode,
        ["urlize"] = Urlizer.Filter,
        ["wordcount"] = TextFilters.WordCount,
        ["wordwrap"] = WordWrapper.Filter,
        ["xmlattr"] = HtmlFilters.XmlAttr,
    }.ToFrozenDictionary();

    public static Filter? Find(string name) => All.GetValueOrDefault(name);
}

/// <summary>Reading bound arguments.</summary>
static class ArgumentValues
{
    public static bool IsMissing(object? value) => ReferenceEquals(value, Missing.Value);

    /// <summary>The value, or <c>null</c> (None) when it was not given.</summary>
    public static object? OrNone(object? value) => IsMissing(value) ? null : value;

    public static bool OrFalse(object? value) => !IsMissing(value) && Truth.Of(value);

    public static int OrInt(object? value, int otherwise) =>
        IsMissing(value) ? otherwise : PyNumber.RequireIndex(value);

    public static string RequireText(object? value, string function) =>
        PyText.Of(value) ?? throw Error.Type($"{function} argument must be str, not {PyType.NameOf(value)}");
}
