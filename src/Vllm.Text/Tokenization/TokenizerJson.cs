namespace Vllm.Text.Tokenization;
static class TokenizerJson { public static Tokenizer Read(byte[] json, string path) => throw new TokenizerLoadException(path, "model", "not supported"); }
