using Vllm.Kernels;
using Vllm.Kernels.Cpu.Threading;
using Vllm.Kernels.Formats;
using Vllm.Micro;

// Micro benchmarks of the CPU kernels, the tokenizer and the engine.
//   matmul [formats] [rows] [threads] [135m|1b] [shapes]    matrix products in a model's shapes
//   attention [shape] [type] [threads]   prompt chunks and decode steps; 9/3x64, BF16 (F8E4M3, F8E5M2, I8, F32)
//   pack   [formats] [threads]           packing of SmolLM2's weights
//   team   [threads] [busy processes]    fork/join and barrier of the worker team; steps beside other processes
//   small                                the operations between the products, and the host tier's codec
//   step   [MODEL] [threads] [decode steps] [prefills] [requests]   what each operation takes of a decode step and a prefill
//   tokenizer [MODEL] [FILES]            encoding and decoding on one thread; default: prose and code of this repository
//   sampler [MODEL] [threads]            choosing tokens, by itself and as a share of a decode step
//   engine [REQUESTS] [MODEL]            what a decode step costs besides the model
string Argument(int index, string byDefault) => args.Length > index ? args[index] : byDefault;
GgmlType[] Formats(string defaults) => [.. Argument(1, defaults).Split(',').Select(Enum.Parse<GgmlType>)];
int Threads(int index) => int.Parse(Argument(index, $"{Topology.NumPhysicalCores}"));
switch (Argument(0, ""))
{
    case "matmul":
        int[] rowCounts = [.. Argument(2, "1,8,32,512").Split(',').Select(int.Parse)];
        MatMulBenchmark.Run(Formats("Q4_1,Q8_0"), rowCounts, Threads(3), Argument(4, "135m"),
            Argument(5, "").Split(',', StringSplitOptions.RemoveEmptyEntries));
        return 0;
    case "attention":
        AttentionBenchmark.Run(Argument(1, "9/3x64"), Enum.Parse<DType>(Argument(2, "BF16")), Threads(3));
        return 0;
    case "pack":
        PackBenchmark.Run(Formats("Q4_1"), Threads(2));
        return 0;
    case "team":
        TeamBenchmark.Run(Threads(1), [.. Argument(2, "0,2,8").Split(',').Select(int.Parse)]);
        return 0;
    case "small":
        SmallBenchmark.Run();
        return 0;
    case "step":
        StepBenchmark.Run(Argument(1, "models/SmolLM2-135M-Instruct.Q4_1.gguf"), Threads(2),
            int.Parse(Argument(3, "200")), int.Parse(Argument(4, "20")), int.Parse(Argument(5, "32")));
        return 0;
    case "tokenizer":
        TokenizerBenchmark.Run(Argument(1, "models/SmolLM2-135M-Instruct.Q4_1.gguf"), [.. args.Skip(2)]);
        return 0;
    case "sampler":
        SamplerBenchmark.Run(Argument(1, "models/SmolLM2-135M-Instruct.Q4_1.gguf"), Threads(2));
        return 0;
    case "engine":
        EngineBenchmark.Run(int.Parse(Argument(1, "256")), Argument(2, "models/SmolLM2-135M-Instruct.Q4_1.gguf"));
        return 0;
    default:
        Console.Error.WriteLine("usage: Micro matmul|attention|pack|team|small|step|tokenizer|sampler|engine ...");
        return 1;
}
