using System.Text;

namespace Vllm.Models.Loading;

/// <summary>
/// Reads chat templates and special tokens of a checkpoint folder: tokenizer_config.json, special_tokens_map.json,
/// chat_template.jinja (newest form, comes first), chat_template.json, additional_chat_templates/*.jinja.
/// </summary>
static class HfTokenizerConfig
{
    const long MaxTemplateSizeBytes = 16 << 20;
    const string TokenSuffix = "_token";
    const string TemplateKey = "chat_template";

    /// <summary>The name of the template that is used when none is asked for, in lists of named ones.</summary>
    const string DefaultTemplate = "default";

    public static TokenizerConfig Read(string folder)
    {
        ConfigObject? config = ReadIfThere(Path.Combine(folder, "tokenizer_config.json"));
        ConfigObject? tokensMap = ReadIfThere(Path.Combine(folder, "special_tokens_map.json"));
        ConfigObject? templateFile = ReadIfThere(Path.Combine(folder, "chat_template.json"));

        var specialTokens = new Dictionary<string, string>(StringComparer.Ordinal);
        AddSpecialTokens(tokensMap, specialTokens);
        AddSpecialTokens(config, specialTokens); // wins over the map
        var templates = new Dictionary<string, string>(StringComparer.Ordinal);
        AddTemplates(config, templates);
        AddTemplates(templateFile, templates);
        AddTemplateFiles(folder, templates);
        templates.Remove(DefaultTemplate, out string? chatTemplate);
        return new()
        {
            ChatTemplate = chatTemplate,
            NamedChatTemplates = templates,
            SpecialTokens = specialTokens,
            AddBosToken = config?.Bool("add_bos_token"),
            AddEosToken = config?.Bool("add_eos_token"),
        };
    }

    static ConfigObject? ReadIfThere(string file) => File.Exists(file) ? ConfigObject.Read(file) : null;

    /// <summary>A special token is its text, or an object with the text as content.</summary>
    static void AddSpecialTokens(ConfigObject? source, Dictionary<string, string> specialTokens)
    {
        if (source is not ConfigObject config) return;
        foreach (string key in config.Keys.Where(key => key.EndsWith(TokenSuffix, StringComparison.Ordinal)))
        {
            if (config.IsObject(key)) specialTokens[key] = config.Object(key)!.Value.String("content") ?? "";
            else if (config.IsString(key)) specialTokens[key] = config.String(key)!;
        }
    }

    /// <summary>A template is its text, or a list of objects with name and template.</summary>
    static void AddTemplates(ConfigObject? source, Dictionary<string, string> templates)
    {
        if (source is not ConfigObject config) return;
        if (!config.IsArray(TemplateKey))
        {
            if (config.String(TemplateKey) is string template) templates[DefaultTemplate] = template;
            return;
        }
        foreach (ConfigObject named in config.Objects(TemplateKey)!)
        {
            string name = named.String("name") ?? throw named.Defect("name", "the name of a template");
            templates[name] = named.String("template") ?? throw named.Defect("template", "the text of a template");
        }
    }

    static void AddTemplateFiles(string folder, Dictionary<string, string> templates)
    {
        string further = Path.Combine(folder, "additional_chat_templates");
        if (Directory.Exists(further))
            foreach (string file in Directory.EnumerateFiles(further, "*.jinja"))
                templates[Path.GetFileNameWithoutExtension(file)] = Text(file);
        string main = Path.Combine(folder, "chat_template.jinja");
        if (File.Exists(main)) templates[DefaultTemplate] = Text(main);
    }

    static string Text(string file) => Encoding.UTF8.GetString(ModelFiles.ReadAll(file, MaxTemplateSizeBytes));
}
