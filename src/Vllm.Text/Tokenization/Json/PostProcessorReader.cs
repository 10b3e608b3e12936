using Vllm.Text.Tokenization.PostProcessors;

namespace Vllm.Text.Tokenization.Json;

static class PostProcessorReader
{
    public static PostProcessor Read(JsonKey config) => config.Type switch
    {
        "Sequence" => new PostProcessorSequence(config.ReadAll("processors", Read)),
        "ByteLevel" => new ByteLevelPostProcessor(config.GetBool("trim_offsets", true),
            config.GetBool("add_prefix_space", true)),
        "BertProcessing" => new ClassifierPostProcessor(ReadPair(config.Get("cls")), ReadPair(config.Get("sep")),
            false, false, false),
        "RobertaProcessing" => new ClassifierPostProcessor(
            ReadPair(config.Get("cls")), ReadPair(config.Get("sep")), isRoberta: true,
            config.GetBool("trim_offsets", true), config.GetBool("add_prefix_space", true)),
        "TemplateProcessing" => ReadTemplates(config),
        { } other => throw config.Fail($"post-processor '{other}' is not known"),
    };

    static (string, int) ReadPair(JsonKey pair)
    {
        JsonKey[] items = [.. pair.Items()];
        return items.Length == 2 ? (items[0].AsString(), items[1].AsInt())
            : throw pair.Fail("expected a token and its id");
    }

    static TemplatePostProcessor ReadTemplates(JsonKey config)
    {
        JsonKey? special = config.Find("special_tokens");
        return new TemplatePostProcessor(
            config.ReadAll("single", piece => ReadPiece(piece, special, numSequences: 1)),
            config.ReadAll("pair", piece => ReadPiece(piece, special, numSequences: 2)));
    }

    static TemplatePiece ReadPiece(JsonKey piece, JsonKey? special, int numSequences)
    {
        if (piece.Find("Sequence") is { } sequence)
        {
            int index = sequence.Get("id").AsString() switch
            {
                "A" => 0,
                "B" when numSequences == 2 => 1,
                { } other => throw sequence.Fail($"text '{other}' is not known here"),
            };
            return new TemplatePiece(index, sequence.Get("type_id").AsInt(), []);
        }
        JsonKey token = piece.Get("SpecialToken");
        string name = token.Get("id").AsString();
        JsonKey entry = special?.Find(name) ?? throw token.Fail($"'{name}' is not among the special tokens of the template");
        int[] ids = [.. entry.Get("ids").Items().Select(i => i.AsInt())];
        string[] tokens = [.. entry.Get("tokens").Items().Select(t => t.AsString())];
        if (ids.Length != tokens.Length) throw entry.Fail($"{ids.Length} ids for {tokens.Length} tokens");
        return new TemplatePiece(-1, token.Get("type_id").AsInt(), [.. tokens.Zip(ids)]);
    }
}
