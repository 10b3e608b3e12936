using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Runtime;

/// <summary>Evaluated arguments of a call.</summary>
sealed class Arguments(object?[] positional, IReadOnlyList<KeyValuePair<string, object?>>? keywords = null)
{
    public static readonly Arguments None = new([]);

    public object?[] Positional => positional;

    public IReadOnlyList<KeyValuePair<string, object?>> Keywords { get; } = keywords ?? [];

    public bool IsEmpty => positional.Length == 0 && Keywords.Count == 0;

    public Arguments With(string name, object? value) => new(positional, [.. Keywords, new(name, value)]);

    /// <summary>Without the first positional arguments.</summary>
    public Arguments Skip(int count) => new(positional[count..], Keywords);

    public bool TryGetKeyword(string name, out object? value)
    {
        foreach ((string key, object? item) in Keywords)
        {
            if (key != name) continue;
            value = item;
            return true;
        }
        value = null;
        return false;
    }

    /// <summary>Assigns the arguments to parameters as Python does; a parameter that got none is
    /// <see cref="Missing"/>.</summary>
    /// <param name="function">For messages.</param>
    /// <param name="required">How many of the parameters must get an argument.</param>
    /// <param name="parameters">Names; one in front of which a slash stands (<c>/sep</c>) takes no keyword.</param>
    public object?[] Bind(string function, int required, params ReadOnlySpan<string> parameters)
    {
        if (positional.Length > parameters.Length)
            throw Error.Type($"{function}() takes at most {parameters.Length} arguments ({positional.Length} given)");
        var values = new object?[parameters.Length];
        positional.CopyTo(values, 0);
        values.AsSpan(positional.Length).Fill(Missing.Value);
        foreach ((string name, object? value) in Keywords)
        {
            int index = parameters.IndexOf(name);
            if (index < 0) throw Error.Type($"{function}() got an unexpected keyword argument '{name}'");
            if (!ReferenceEquals(values[index], Missing.Value))
                throw Error.Type($"{function}() got multiple values for argument '{name}'");
            values[index] = value;
        }
        for (int i = 0; i < required; i++)
            if (ReferenceEquals(values[i], Missing.Value))
                throw Error.Type($"{function}() missing required argument: '{parameters[i].TrimStart('/')}'");
        return values;
    }

    public void RequireNone(string function)
    {
        if (!IsEmpty) throw Error.Type($"{function}() takes no arguments ({positional.Length + Keywords.Count} given)");
    }
}
