using System.Text.Json;

namespace Vllm.Tests.Sampling;

/// <summary>The cases' small Llama in double precision, without a cache: an independent source of logits.</summary>
sealed class TinyLlama
{
    readonly Dictionary<string, double[]> _weights = [];
    readonly SafeTensorsFile _file;
    readonly int _hiddenSize, _intermediateSize, _numHeads, _numKvHeads, _headDim, _numLayers;
    readonly double _epsilon, _theta;

    public TinyLlama(string folder)
    {
        JsonElement config = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "config.json"))).RootElement;
        _file = new SafeTensorsFile(Path.Combine(folder, "model.safetensors"));
        _hiddenSize = config.GetProperty("hidden_size").GetInt32();
        _intermediateSize = config.GetProperty("intermediate_size").GetInt32();
        _numHeads = config.GetProperty("num_attention_heads").GetInt32();
        _numKvHeads = config.GetProperty("num_key_value_heads").GetInt32();
        _headDim = config.GetProperty("head_dim").GetInt32();
        _numLayers = config.GetProperty("num_hidden_layers").GetInt32();
        _epsilon = config.GetProperty("rms_norm_eps").GetDouble();
        _theta = config.GetProperty("rope_parameters").GetProperty("rope_theta").GetDouble();
        VocabSize = config.GetProperty("vocab_size").GetInt32();
        EosTokenId = config.GetProperty("eos_token_id").GetInt32();
    }

    public int VocabSize { get; }

    public int EosTokenId { get; }

    double[] Weight(string name)
    {
        if (!_weights.TryGetValue(name, out double[]? weight))
            _weights[name] = weight = [.. _file.BFloat16s(name + ".weight").Select(v => (double)v)];
        return weight;
    }

    /// <summary>Logits after the last token.</summary>
    public float[] Logits(ReadOnlySpan<int> tokenIds)
    {
        double[] embedding = Weight("model.embed_tokens");
        var hidden = new double[tokenIds.Length][]; // [numTokens][hiddenSize]
        for (int t = 0; t < hidden.Length; t++) hidden[t] = embedding[(tokenIds[t] * _hiddenSize)..][.._hiddenSize];
        for (int layer = 0; layer < _numLayers; layer++)
        {
            string prefix = $"model.layers.{layer}.";
            Attend(hidden, prefix);
            foreach (double[] row in hidden) FeedForward(row, prefix);
        }
        double[] logits = Linear(Normalize(hidden[^1], "model.norm"), "lm_head", VocabSize);
        return [.. logits.Select(v => (float)v)];
    }

    void Attend(double[][] hidden, string prefix)
    {
        var q = new double[hidden.Length][];
        var k = new double[hidden.Length][];
        var v = new double[hidden.Length][];
        for (int t = 0; t < hidden.Length; t++)
        {
            double[] x = Normalize(hidden[t], prefix + "input_layernorm");
            q[t] = Rotate(Linear(x, prefix + "self_attn.q_proj", _numHeads * _headDim), t);
            k[t] = Rotate(Linear(x, prefix + "self_attn.k_proj", _numKvHeads * _headDim), t);
            v[t] = Linear(x, prefix + "self_attn.v_proj", _numKvHeads * _headDim);
        }
        for (int t = 0; t < hidden.Length; t++)
        {
            var context = new double[_numHeads * _headDim];
            for (int head = 0; head < _numHeads; head++)
            {
                int at = head * _headDim, kvAt = head * _numKvHeads / _numHeads * _headDim;
                double[] weights = [.. Enumerable.Range(0, t + 1).Select(s => Math.Exp(Enumerable.Range(0, _headDim)
                    .Sum(d => q[t][at + d] * k[s][kvAt + d]) / Math.Sqrt(_headDim)))];
                double sum = weights.Sum();
                for (int d = 0; d < _headDim; d++)
                    context[at + d] = Enumerable.Range(0, t + 1).Sum(s => weights[s] / sum * v[s][kvAt + d]);
            }
            Add(hidden[t], Linear(context, prefix + "self_attn.o_proj", _hiddenSize));
        }
    }

    double[] Rotate(double[] heads, int position)
    {
        var rotated = new double[heads.Length];
        int half = _headDim / 2;
        for (int at = 0; at < heads.Length; at += _headDim)
        {
            for (int d = 0; d < half; d++)
            {
                double angle = position * Math.Pow(_theta, -2.0 * d / _headDim);
                double a = heads[at + d], b = heads[at + d + half];
                rotated[at + d] = a * Math.Cos(angle) - b * Math.Sin(angle);
                rotated[at + d + half] = b * Math.Cos(angle) + a * Math.Sin(angle);
            }
        }
        return rotated;
    }

    void FeedForward(double[] row, string prefix)
    {
        double[] x = Normalize(row, prefix + "post_attention_layernorm");
        double[] gate = Linear(x, prefix + "mlp.gate_proj", _intermediateSize);
        double[] up = Linear(x, prefix + "mlp.up_proj", _intermediateSize);
        double[] product = [.. gate.Zip(up, (g, u) => g / (1 + Math.Exp(-g)) * u)];
        Add(row, Linear(product, prefix + "mlp.down_proj", _hiddenSize));
    }

    double[] Normalize(double[] x, string name)
    {
        double scale = 1 / Math.Sqrt(x.Sum(v => v * v) / x.Length + _epsilon);
        return [.. x.Zip(Weight(name), (v, w) => v * scale * w)];
    }

    double[] Linear(double[] x, string name, int numOutputs)
    {
        double[] weight = Weight(name), y = new double[numOutputs]; // weight: [numOutputs, x.Length]
        for (int n = 0; n < numOutputs; n++)
            for (int i = 0; i < x.Length; i++)
                y[n] += weight[n * x.Length + i] * x[i];
        return y;
    }

    static void Add(double[] target, double[] source)
    {
        for (int i = 0; i < target.Length; i++) target[i] += source[i];
    }
}
