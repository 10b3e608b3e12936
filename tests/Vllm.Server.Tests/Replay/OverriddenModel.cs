using System.Text.Json;
using System.Text.Json.Nodes;

namespace Vllm.Tests.Replay;

/// <summary>A checkpoint with other values in its <c>config.json</c> (<c>--hf-overrides</c>, which is not there yet): a
/// folder of links to its files and a configuration of its own.</summary>
static class OverriddenModel
{
    public static string Make(string model, string overrides)
    {
        string folder = Directory.CreateTempSubdirectory("vllm-overridden-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        foreach (string file in Directory.GetFiles(model))
            if (Path.GetFileName(file) != "config.json")
                File.CreateSymbolicLink(Path.Combine(folder, Path.GetFileName(file)), file);
        JsonObject config = JsonNode.Parse(File.ReadAllText(Path.Combine(model, "config.json")))!.AsObject();
        foreach (JsonProperty property in JsonDocument.Parse(overrides).RootElement.EnumerateObject())
            config[property.Name] = JsonNode.Parse(property.Value.GetRawText());
        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJsonString());
        return folder;
    }
}
