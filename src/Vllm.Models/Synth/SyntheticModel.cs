using System.Text;
using System.Text.Json;
using Vllm.Kernels.Formats;
using Vllm.Models.Loading;

namespace Vllm.Models.Synth;

/// <summary>
/// Checkpoints of a known shape with random weights: what a model of that shape and type costs can be measured without
/// its files. The text that they write is noise. Two files of the same shape, type and seed are equal.
/// </summary>
/// <param name="shape">Sizes of the model.</param>
/// <param name="tokenizerFile">A GGUF file whose tokenizer the checkpoint gets; more tokens than it has are filled up
/// with unused ones.</param>
/// <param name="seed">Of the weights.</param>
public sealed class SyntheticModel(ModelShape shape, string tokenizerFile, uint seed)
{
    const string GgufArchitecture = "llama";

    /// <summary>Writes one GGUF file.</summary>
    public void WriteGguf(string path, QuantizationMix mix)
    {
        using GgufFile source = GgufFile.Open(tokenizerFile);
        var tokenizer = new SynthTokenizer(source, shape.VocabSize);
        GgufHeader header = Header(mix, tokenizer);
        IEnumerable<SynthTensor> tensors = shape.Tensors(tokenizer.VocabSize, TypeOf, normType: GgmlType.F32);
        if (RopeFreqs() is { } ropeFreqs) tensors = tensors.Prepend(ropeFreqs);
        var placed = TensorFile.Place(tensors, GgufHeader.AlignmentBytes);
        TensorFile.Write(path, header.ToBytes(placed), placed, seed);

        GgmlType TypeOf(string name, int layer, int numInputs) =>
            mix.TypeOf(name[(name.LastIndexOf('.') + 1)..], layer, numInputs, shape);
    }

    /// <summary>Writes a Hugging Face folder: one safetensors file, configuration and tokenizer.</summary>
    /// <param name="folder">Made when it is not there.</param>
    /// <param name="type">F32, F16 or BF16.</param>
    public void WriteSafetensors(string folder, GgmlType type)
    {
        if (type is not (GgmlType.F32 or GgmlType.F16 or GgmlType.BF16))
            throw new ArgumentOutOfRangeException(nameof(type), type, "safetensors hold F32, F16 or BF16 weights");
        using GgufFile source = GgufFile.Open(tokenizerFile);
        var tokenizer = new SynthTokenizer(source, shape.VocabSize);
        Directory.CreateDirectory(folder);
        tokenizer.WriteTo(folder);
        JsonFile.Write(Path.Combine(folder, HfModelConfig.FileName), json => WriteConfig(json, tokenizer, type));
        var placed = TensorFile.Place(shape.Tensors(tokenizer.VocabSize, (_, _, _) => type, type), alignmentBytes: 1);
        TensorFile.Write(Path.Combine(folder, "model.safetensors"), SafetensorsHeader(placed), placed, seed);
    }

    GgufHeader Header(QuantizationMix mix, SynthTokenizer tokenizer)
    {
        var header = new GgufHeader();
        header.Add("general.architecture", GgufArchitecture);
        header.Add("general.type", "model");
        header.Add("general.name", $"{shape.Name} with random weights");
        if (mix.FileType is uint fileType) header.Add("general.file_type", fileType);
        header.Add("general.quantization_version", 2u);
        foreach ((string key, int value) in (ReadOnlySpan<(string, int)>)
            [
                ("block_count", shape.NumLayers), ("context_length", shape.ContextLength),
                ("embedding_length", shape.HiddenSize), ("feed_forward_length", shape.IntermediateSize),
                ("attention.head_count", shape.NumHeads), ("attention.head_count_kv", shape.NumKvHeads),
                ("attention.key_length", shape.HeadDim), ("attention.value_length", shape.HeadDim),
                ("rope.dimension_count", shape.HeadDim), ("vocab_size", tokenizer.VocabSize),
            ])
        {
            header.Add($"{GgufArchitecture}.{key}", (uint)value);
        }
        header.Add($"{GgufArchitecture}.rope.freq_base", (float)shape.RopeTheta);
        header.Add($"{GgufArchitecture}.attention.layer_norm_rms_epsilon", ModelShape.RmsNormEps);
        tokenizer.AddTo(header);
        return header;
    }

    /// <summary>GGUF has llama3's scaling as a divisor for each frequency (llama.cpp's convert_hf_to_gguf.py).</summary>
    SynthTensor? RopeFreqs()
    {
        if (shape.RopeFactor is not double factor) return null;
        var divisors = new float[shape.HeadDim / 2];
        for (int i = 0; i < divisors.Length; i++)
        {
            double wavelength = 2 * Math.PI * Math.Pow(shape.RopeTheta, 2.0 * i / shape.HeadDim);
            double turns = ModelShape.OriginalContextLength / wavelength;
            double smooth = (turns - ModelShape.LowFreqFactor)
                / (ModelShape.HighFreqFactor - ModelShape.LowFreqFactor);
            smooth = Math.Clamp(smooth, 0, 1);
            divisors[i] = (float)(1 / ((1 - smooth) / factor + smooth));
        }
        return new("rope_freqs.weight", GgmlType.F32, [divisors.Length], Deviation: 0) { Values = divisors };
    }

    void WriteConfig(Utf8JsonWriter json, SynthTokenizer tokenizer, GgmlType type)
    {
        json.WriteStartObject();
        json.WriteStartArray("architectures");
        json.WriteStringValue("LlamaForCausalLM");
        json.WriteEndArray();
        json.WriteString("model_type", "llama");
        json.WriteString("torch_dtype", TorchName(type));
        json.WriteNumber("vocab_size", tokenizer.VocabSize);
        json.WriteNumber("hidden_size", shape.HiddenSize);
        json.WriteNumber("intermediate_size", shape.IntermediateSize);
        json.WriteNumber("num_hidden_layers", shape.NumLayers);
        json.WriteNumber("num_attention_heads", shape.NumHeads);
        json.WriteNumber("num_key_value_heads", shape.NumKvHeads);
        json.WriteNumber("head_dim", shape.HeadDim);
        json.WriteNumber("max_position_embeddings", shape.ContextLength);
        json.WriteString("hidden_act", "silu");
        json.WriteNumber("rms_norm_eps", 1e-5);
        json.WriteBoolean("tie_word_embeddings", shape.TiesEmbeddings);
        json.WriteNumber("rope_theta", shape.RopeTheta);
        if (shape.RopeFactor is double factor) WriteRopeScaling(json, factor);
        json.WriteNumber("bos_token_id", tokenizer.TokenId("bos"));
        json.WriteNumber("eos_token_id", tokenizer.TokenId("eos"));
        json.WriteEndObject();
    }

    static void WriteRopeScaling(Utf8JsonWriter json, double factor)
    {
        json.WriteStartObject("rope_scaling");
        json.WriteString("rope_type", "llama3");
        json.WriteNumber("factor", factor);
        json.WriteNumber("low_freq_factor", ModelShape.LowFreqFactor);
        json.WriteNumber("high_freq_factor", ModelShape.HighFreqFactor);
        json.WriteNumber("original_max_position_embeddings", ModelShape.OriginalContextLength);
        json.WriteEndObject();
    }

    static string TorchName(GgmlType type) => type switch
    {
        GgmlType.F32 => "float32",
        GgmlType.F16 => "float16",
        _ => "bfloat16",
    };

    /// <summary>Eight bytes of length, then JSON padded to whole words.</summary>
    static byte[] SafetensorsHeader(IReadOnlyList<(SynthTensor Tensor, long Offset)> tensors)
    {
        var stream = new MemoryStream();
        stream.Write(stackalloc byte[sizeof(long)]);
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            foreach ((SynthTensor tensor, long offset) in tensors)
            {
                json.WriteStartObject(tensor.HfName);
                json.WriteString("dtype", $"{tensor.Type}");
                json.WriteStartArray("shape");
                foreach (int size in tensor.Shape) json.WriteNumberValue(size);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                json.WriteNumberValue(offset + tensor.SizeBytes);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        while (stream.Length % sizeof(long) != 0) stream.WriteByte((byte)' ');
        byte[] bytes = stream.ToArray();
        BitConverter.TryWriteBytes(bytes, (long)bytes.Length - sizeof(long));
        return bytes;
    }
}
