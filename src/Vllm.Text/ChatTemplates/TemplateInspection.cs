using Vllm.Text.ChatTemplates.Nodes;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates;

/// <summary>How a template takes the content of a message.</summary>
public enum ContentFormat
{
    /// <summary>One string.</summary>
    String,
    /// <summary>A list of parts, as in OpenAI's API.</summary>
    OpenAI,
}

/// <summary>
/// What vLLM reads off a template. The content format is <see cref="ContentFormat.OpenAI"/> if the template loops over
/// the content of a message: (1) the names that stand for the messages, by assignment, (2) the names of loops over
/// those, (3) a loop over the attribute <c>content</c> of one of these, or over a parameter of a macro that is called
/// with one, or over a variable named <c>content</c>. Scopes are ignored, as in vLLM.
/// </summary>
sealed class TemplateInspection
{
    readonly Node[] _nodes;
    readonly List<string> _messageNames = [];

    TemplateInspection(Statement[] body)
    {
        _nodes = [.. body.SelectMany(statement => statement.Descendants().Prepend(statement))];
        AcceptsDeveloperRole = _nodes.Any(node => node is Constant { Value: "developer" });
        ContentFormat = DetectContentFormat();
    }

    public static TemplateInspection Inspect(Statement[] body) => new(body);

    public ContentFormat? ContentFormat { get; }

    public bool AcceptsDeveloperRole { get; }

    ContentFormat? DetectContentFormat()
    {
        if (NamesOfConversation() is not { } conversationNames) return null; // 1
        foreach (For loop in _nodes.OfType<For>()) // 2
        {
            if (!conversationNames.Any(name => IsNameOrPart(loop.Items, name))) continue;
            if (loop.Target is not Name target) return null;
            _messageNames.Add(target.Id);
        }
        foreach (For loop in _nodes.OfType<For>()) // 3
            if (IsMessageContent(loop.Items) || (loop.Items is Name name && IsContentVariable(loop, name.Id)))
                return loop.Target is Name ? ChatTemplates.ContentFormat.OpenAI : null;
        return ChatTemplates.ContentFormat.String;
    }

    /// <summary><c>messages</c> and all names assigned from it; <c>null</c> when one of the targets is no
    /// name.</summary>
    List<string>? NamesOfConversation()
    {
        var names = new List<string> { "messages" };
        for (int i = 0; i < names.Count; i++)
            foreach (Set set in _nodes.OfType<Set>())
            {
                if (!IsNameOrPart(set.Value, names[i])) continue;
                if (set.Target is not Name target) return null;
                if (!names.Contains(target.Id)) names.Add(target.Id);
            }
        return names;
    }

    bool IsMessageContent(Expression expression)
    {
        Expression inner = Unwrap(expression);
        string? owner = inner switch
        {
            GetAttribute { Attribute: "content", Target: Name name } => name.Id,
            GetItem { Key: Constant { Value: "content" }, Target: Name name } => name.Id,
            _ => null,
        };
        return owner is not null && _messageNames.Contains(owner);
    }

    static bool IsNameOrPart(Expression expression, string id) => Unwrap(expression) is Name name && name.Id == id;

    /// <summary>Without filters, tests and slices around it.</summary>
    static Expression Unwrap(Expression expression)
    {
        while (true)
        {
            Expression? inner = expression switch
            {
                FilterCall filter => filter.Target,
                TestCall test => test.Target,
                GetItem { Key: Slice } slice => slice.Target,
                _ => null,
            };
            if (inner is null) return expression;
            expression = inner;
        }
    }

    /// <summary>Inside macros the innermost one that is called with message contents decides; outside of all, a
    /// variable of the name <c>content</c> is one.</summary>
    bool IsContentVariable(For loop, string name)
    {
        bool inMacro = false;
        foreach (MacroStatement macro in _nodes.OfType<MacroStatement>().Reverse())
        {
            if (!macro.Descendants().Contains(loop)) continue;
            inMacro = true;
            HashSet<string> parameters = ContentParameters(macro);
            if (parameters.Count > 0) return parameters.Contains(name);
        }
        return !inMacro && name == "content";
    }

    /// <summary>The parameters that some call of the macro gives the content of a message.</summary>
    HashSet<string> ContentParameters(MacroStatement macro)
    {
        string[] names = [.. macro.Definition.Parameters.Select(parameter => parameter.Id)];
        var filled = new HashSet<string>();
        foreach (Call call in _nodes.OfType<Call>())
        {
            if (call.Callee is not Name callee || callee.Id != macro.Name.Id) continue;
            for (int i = 0; i < Math.Min(names.Length, call.Arguments.Positional.Length); i++)
                if (IsMessageContent(call.Arguments.Positional[i]))
                    filled.Add(names[i]);
            foreach ((string name, Expression value) in call.Arguments.Keywords)
                if (names.Contains(name) && IsMessageContent(value))
                    filled.Add(name);
        }
        return filled;
    }
}
