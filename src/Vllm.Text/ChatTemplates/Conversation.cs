using System.Text.Json;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates;

/// <summary>
/// What transformers does around the rendering: (1) the reasoning of a message is given all its names, (2) the text to
/// be continued gets a tag at its end, (3) after rendering, the prompt is cut where the tag came out.
/// </summary>
sealed class Conversation
{
    const string Tag = "CONTINUE_FINAL_MESSAGE_TAG";

    static readonly string[] ReasoningNames = ["reasoning_content", "thinking", "reasoning"];

    readonly string? _continuedText;

    public Conversation(ChatTemplateInput input, string source)
    {
        object? messages = JsonValues.Convert(input.Messages);
        if (messages is PyList list)
        {
            foreach (object? message in list.Values)
                if (message is PyDict dict)
                    NameReasoning(dict); // 1
        }
        if (input.ContinueField is { } field) _continuedText = AddTag(messages, field, source); // 2

        Variables["messages"] = messages;
        Variables["tools"] = Convert(input.Tools);
        Variables["documents"] = Convert(input.Documents);
        Variables["add_generation_prompt"] = Boxed.Bool(input.AddGenerationPrompt);
        if (input.BosToken is not null) Variables["bos_token"] = input.BosToken;
        if (input.EosToken is not null) Variables["eos_token"] = input.EosToken;
        foreach ((string name, JsonElement value) in input.Kwargs ?? new Dictionary<string, JsonElement>())
            Variables[name] = JsonValues.Convert(value);
    }

    public Dictionary<string, object?> Variables { get; } = [];

    static object? Convert(JsonElement? json) => json is { } value ? JsonValues.Convert(value) : null;

    static void NameReasoning(PyDict message)
    {
        foreach (string name in ReasoningNames)
        {
            if (!message.TryGet(name, out object? reasoning) || reasoning is null) continue;
            message.Set("reasoning_content", reasoning);
            if (!message.TryGet("thinking", out _)) message.Set("thinking", reasoning);
            return;
        }
    }

    /// <summary>Adds the tag; the text without it.</summary>
    static string AddTag(object? messages, string field, string source)
    {
        string[] names = ReasoningNames.Contains(field) ? ReasoningNames : [field];
        if (field != "content" && !names.Any(name => source.Contains(name, StringComparison.Ordinal)))
            throw Error.Value($"continue_final_message is set to \"{field}\" but this is not an accepted field in the chat_template");
        if (messages is not PyList { Values: [.., PyDict last] })
            throw Error.Value("continue_final_message is set but there is no message to continue!");
        if (!last.TryGet(field, out object? value))
            throw Error.Value($"continue_final_message is set but the final message has no \"{field}\" to continue!");
        if (value is PyList parts) return AddTagToParts(parts);
        if (value is not string text)
            throw Error.Type($"can only continue a text or a list of parts, not {PyType.NameOf(value)}");
        foreach (string name in names)
            if (last.TryGet(name, out object? other) && other is string same && same == text)
                last.Set(name, $"{text}{Tag} ");
        return text;
    }

    static string AddTagToParts(PyList parts)
    {
        foreach (object? part in parts.Values.Reverse())
        {
            if (part is not PyDict dict || !dict.TryGet("text", out object? value)) continue;
            if (value is not string text) throw Error.Type($"the text to continue is {PyType.NameOf(value)}, not str");
            dict.Set("text", $"{text}{Tag} ");
            return text;
        }
        throw Error.Value("continue_final_message is set but we could not find any text to continue in the final message!");
    }

    public string Finish(string prompt)
    {
        if (_continuedText is null) return prompt;
        int index = prompt.LastIndexOf(Tag, StringComparison.Ordinal); // 3
        string text = PyChar.TrimStart(PyChar.TrimEnd(_continuedText));
        if (index < 0 || !prompt.Contains(text, StringComparison.Ordinal))
            throw Error.Value("continue_final_message is set but the final message does not appear in the chat after " +
                "applying the chat template! This can happen if the chat template deletes portions of the final message. " +
                "Please verify the chat template and final message in your chat to ensure they are compatible.");
        // If the blank after the tag is gone, the template strips messages: the text must end without blanks too.
        bool keepsSpace = index + Tag.Length < prompt.Length && prompt[index + Tag.Length] == ' ';
        return keepsSpace ? prompt[..index] : PyChar.TrimEnd(prompt[..index]);
    }
}
