using System.Text.Json;
using Vllm.Text.ChatTemplates.Binding;
using Vllm.Text.ChatTemplates.Nodes;
using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Syntax;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates;

/// <summary>
/// A compiled chat template: Jinja 3.1.6 in the environment that Hugging Face transformers 5.23 gives to templates
/// (<c>trim_blocks</c>, <c>lstrip_blocks</c>, loop controls, the <c>generation</c> tag, an immutable sandbox). It does
/// not change and may be rendered by any number of threads at once.
/// </summary>
/// <remarks>
/// Compiling: (1) lexer and parser make the syntax tree, (2) the binder gives names their slots, (3) the inspection
/// finds what a server wants to know about the template. Rendering walks the tree.
/// </remarks>
public sealed class ChatTemplate
{
    readonly BoundTemplate _template;

    ChatTemplate(string source, BoundTemplate template, TemplateInspection inspection)
    {
        Source = source;
        _template = template;
        ContentFormat = inspection.ContentFormat;
        AcceptsDeveloperRole = inspection.AcceptsDeveloperRole;
    }

    /// <exception cref="ChatTemplateException">The source is not a template (kind Syntax, with the line).</exception>
    public static ChatTemplate Compile(string source)
    {
        ArgumentNullException.ThrowIfNull(source);
        Statement[] body = Parser.Parse(source); // 1
        BoundTemplate template = Binder.Bind(body); // 2
        return new ChatTemplate(source, template, TemplateInspection.Inspect(body)); // 3
    }

    public string Source { get; }

    /// <summary>How the template takes message contents; <c>null</c> when that cannot be told and the caller's default
    /// applies.</summary>
    public ContentFormat? ContentFormat { get; }

    /// <summary>Whether the template knows the role <c>developer</c>. If not, vLLM passes such messages as system
    /// messages.</summary>
    public bool AcceptsDeveloperRole { get; }

    /// <summary>Names that the template takes from its variables: what may be passed as chat template
    /// arguments.</summary>
    public IReadOnlySet<string> Variables => _template.Variables;

    /// <summary>Renders a conversation, prepared as transformers does before rendering.</summary>
    /// <exception cref="ChatTemplateException">The template fails on this conversation, or refuses it (kind
    /// Raise).</exception>
    public string Render(ChatTemplateInput input, TimeProvider? clock = null)
    {
        ArgumentNullException.ThrowIfNull(input);
        var conversation = new Conversation(input, Source);
        string prompt = Render(conversation.Variables, clock);
        return conversation.Finish(prompt);
    }

    /// <summary>Renders with just these variables.</summary>
    /// <param name="context">A JSON object.</param>
    /// <param name="clock">Local time for <c>strftime_now</c>; the system's if there is none.</param>
    /// <exception cref="ChatTemplateException">The template fails with these variables.</exception>
    public string Render(JsonElement context, TimeProvider? clock = null)
    {
        if (context.ValueKind != JsonValueKind.Object)
            throw new ArgumentException($"the context is {context.ValueKind}, not an object", nameof(context));
        var variables = new Dictionary<string, object?>();
        foreach (JsonProperty property in context.EnumerateObject())
            variables[property.Name] = JsonValues.Convert(property.Value);
        return Render(variables, clock);
    }

    string Render(Dictionary<string, object?> variables, TimeProvider? clock)
    {
        var state = new RenderState(clock ?? TimeProvider.System, _template.Blocks);
        // Set variables go to a context of their own: blocks see them, the caller's dictionary does not.
        TemplateContext context = new TemplateContext(null, variables).Derive();
        var frame = new Frame(state, context, _template.Slots, parent: null);
        try
        {
            _template.Self?.Write(frame, new BlockReferences(context, _template.Blocks));
            _template.Entry.Enter(frame);
            Statement.ExecuteAll(_template.Body, frame);
            return frame.Output.Take();
        }
        catch (ChatTemplateException exception)
        {
            exception.Line ??= state.Line > 0 ? state.Line : null;
            throw;
        }
    }
}
