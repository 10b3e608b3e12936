using System.Globalization;
using System.Text.Json;
using Vllm.Server.Protocol;

namespace Vllm.Server.Requests;

/// <summary>The type of a request field: checks a value and reports what pydantic, which checks vLLM's requests,
/// would.</summary>
abstract class FieldType
{
    public abstract void Check(JsonElement value, string location, ValidationErrors errors);

    /// <summary>Reads the notation of <c>request-fields.json</c>: <c>list[int[ge=0]] | "left" | StreamOptions |
    /// None</c>.</summary>
    public static FieldType Parse(string text, RequestSchema schema)
    {
        List<string> parts = Split(text, " | ");
        bool isNullable = parts.Remove("None");
        List<FieldType> members = [];
        string[] literals = [.. parts.Where(p => p[0] == '"').Select(p => p.Trim('"'))];
        if (literals.Length > 0) members.Add(new LiteralType(literals));
        members.AddRange(parts.Where(p => p[0] != '"').Select(p => ParseMember(p, schema)));
        return members.Count == 1 && !isNullable ? members[0] : new UnionType(members, isNullable);
    }

    static FieldType ParseMember(string text, RequestSchema schema)
    {
        if (text.StartsWith(MessageListType.Notation, StringComparison.Ordinal))
            return new MessageListType(requiresOne: text.EndsWith("[min_length=1]", StringComparison.Ordinal));
        string name = text, argument = "", options = "";
        if (text.IndexOf('[') is > 0 and var open)
        {
            int close = ClosingBracket(text, open);
            (name, argument, options) = (text[..open], text[(open + 1)..close], text[(close + 1)..].Trim('[', ']'));
        }
        return name switch
        {
            "list" => new ListType(
                Parse(argument, schema), (int?)Bound(options, "min_length"), (int?)Bound(options, "max_length")),
            "dict" => new DictType(Parse(argument[(argument.IndexOf(',') + 2)..], schema)),
            "int" => new IntType(Bound(argument, "ge"), Bound(argument, "le")),
            "float" => new FloatType(),
            "bool" => new BoolType(),
            "str" or "bytes" => new StringType(),
            "Any" => new AnyType(),
            _ => schema.HasModel(name) ? new ModelType(name, schema) : new DataclassType(name, schema),
        };
    }

    static Int128? Bound(string options, string name) => options.Split(", ")
        .Where(o => o.StartsWith(name + "=", StringComparison.Ordinal))
        .Select(o => (Int128?)Int128.Parse(o[(name.Length + 1)..], CultureInfo.InvariantCulture)).FirstOrDefault();

    static List<string> Split(string text, string separator)
    {
        List<string> parts = [];
        int depth = 0, start = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '[') depth++;
            else if (text[i] == ']') depth--;
            else if (depth == 0 && string.CompareOrdinal(text, i, separator, 0, separator.Length) == 0)
            {
                parts.Add(text[start..i]);
                start = i + separator.Length;
            }
        }
        parts.Add(text[start..]);
        return parts;
    }

    static int ClosingBracket(string text, int open)
    {
        int depth = 0;
        for (int i = open; ; i++)
        {
            if (text[i] == '[') depth++;
            else if (text[i] == ']' && --depth == 0) return i;
        }
    }
}

/// <summary>Right when one member is; otherwise every member reports.</summary>
sealed class UnionType(List<FieldType> members, bool isNullable) : FieldType
{
    public override void Check(JsonElement value, string location, ValidationErrors errors)
    {
        if (isNullable && value.ValueKind == JsonValueKind.Null) return;
        var all = new ValidationErrors();
        foreach (FieldType member in members)
        {
            var own = new ValidationErrors();
            member.Check(value, location, own);
            if (own.Count == 0) return;
            all.AddAll(own);
        }
        errors.AddAll(all);
    }
}

sealed class ListType(FieldType item, int? minLength, int? maxLength) : FieldType
{
    public override void Check(JsonElement value, string location, ValidationErrors errors)
    {
        if (value.ValueKind != JsonValueKind.Array)
        {
            errors.Add("list_type", location, "Input should be a valid list", value);
            return;
        }
        if (value.GetArrayLength() < minLength)
        {
            AddTooShort(value, location, minLength.Value, errors);
            return;
        }
        if (value.GetArrayLength() > maxLength)
        {
            errors.Add("too_long", location,
                $"List should have at most {maxLength} items after validation, not {value.GetArrayLength()}", value,
                $"{{'field_type': 'List', 'max_length': {maxLength}, 'actual_length': {value.GetArrayLength()}}}");
            return;
        }
        int index = 0;
        foreach (JsonElement element in value.EnumerateArray()) item.Check(element, $"{location}.{index++}", errors);
    }

    public static void AddTooShort(JsonElement list, string location, int minLength, ValidationErrors errors)
    {
        int length = list.GetArrayLength();
        errors.Add("too_short", location,
            $"List should have at least {minLength} item{(minLength == 1 ? "" : "s")} after validation, not {length}", list,
            $"{{'field_type': 'List', 'min_length': {minLength}, 'actual_length': {length}}}");
    }
}

sealed class DictType(FieldType item) : FieldType
{
    public override void Check(JsonElement value, string location, ValidationErrors errors)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            errors.Add("dict_type", location, "Input should be a valid dictionary", value);
            return;
        }
        foreach (JsonProperty property in value.EnumerateObject())
            item.Check(property.Value, $"{location}.{property.Name}", errors);
    }
}

/// <summary>An object with fields of its own.</summary>
sealed class ModelType(string name, RequestSchema schema) : FieldType
{
    public override void Check(JsonElement value, string location, ValidationErrors errors)
    {
        if (value.ValueKind == JsonValueKind.Object) schema.Check(name, value, location, errors);
        else errors.Add("model_attributes_type", location,
            "Input should be a valid dictionary or object to extract fields from", value);
    }
}

/// <summary>An object of one of vLLM's own classes; the table has an <c>@</c> before its name. Those that it lacks belong
/// to features which are not there yet.</summary>
sealed class DataclassType(string name, RequestSchema schema) : FieldType
{
    public override void Check(JsonElement value, string location, ValidationErrors errors)
    {
        if (value.ValueKind == JsonValueKind.Object)
        {
            if (schema.HasModel("@" + name)) schema.Check("@" + name, value, location, errors);
            return;
        }
        errors.Add("dataclass_type", location, $"Input should be a dictionary or an instance of {name}", value,
            $"{{'class_name': '{name}'}}");
    }
}

sealed class LiteralType(string[] values) : FieldType
{
    public override void Check(JsonElement value, string location, ValidationErrors errors)
    {
        if (value.ValueKind == JsonValueKind.String && values.Contains(JsonText.Of(value))) return;
        string[] quoted = [.. values.Select(v => $"'{v}'")];
        string expected = quoted.Length == 1 ? quoted[0] : $"{string.Join(", ", quoted[..^1])} or {quoted[^1]}";
        errors.Add("literal_error", location, $"Input should be {expected}", value,
            $"{{'expected': {PythonText.Quote(expected)}}}");
    }
}

sealed class IntType(Int128? minimum, Int128? maximum) : FieldType
{
    public override void Check(JsonElement value, string location, ValidationErrors errors)
    {
        if (LaxValue.TryInteger(value, out Int128 number) is var (type, message))
            errors.Add(type, location, message, value);
        else if (number < minimum)
            errors.Add("greater_than_equal", location, $"Input should be greater than or equal to {minimum}", value,
                $"{{'ge': {minimum}}}");
        else if (number > maximum)
            errors.Add("less_than_equal", location, $"Input should be less than or equal to {maximum}", value,
                $"{{'le': {maximum}}}");
    }
}

sealed class FloatType : FieldType
{
    public override void Check(JsonElement value, string location, ValidationErrors errors)
    {
        if (LaxValue.TryFloat(value, out _) is var (type, message)) errors.Add(type, location, message, value);
    }
}

sealed class BoolType : FieldType
{
    public override void Check(JsonElement value, string location, ValidationErrors errors)
    {
        if (LaxValue.TryBool(value, out _) is var (type, message)) errors.Add(type, location, message, value);
    }
}

sealed class StringType : FieldType
{
    public override void Check(JsonElement value, string location, ValidationErrors errors)
    {
        if (value.ValueKind != JsonValueKind.String)
            errors.Add("string_type", location, "Input should be a valid string", value);
    }
}

sealed class AnyType : FieldType
{
    public override void Check(JsonElement value, string location, ValidationErrors errors) { }
}
