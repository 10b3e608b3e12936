using System.Text.Json.Serialization;

namespace Vllm.Cli;

/// <summary>Generated readers and writers: the trimmed program has no reflection for JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(IReadOnlyList<string>))]
[JsonSerializable(typeof(IReadOnlyList<ChatMessage>))]
sealed partial class CliJson : JsonSerializerContext;
