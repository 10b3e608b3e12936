using Vllm;

// A batch of prompts and a batch of conversations, in process. Usage: OfflineBatch [MODEL]
string model = args.Length > 0 ? args[0] : "models/SmolLM2-135M-Instruct.Q4_1.gguf";
using var llm = new LLM(model);

string[] prompts = ["The capital of France is", "def fibonacci(n):", "Once upon a time", "Water boils at"];
var greedy = new SamplingParams { Temperature = 0, MaxTokens = 24 };
foreach ((string prompt, RequestOutput output) in prompts.Zip(llm.Generate(prompts, greedy)))
    Console.WriteLine($"{prompt}{output.Outputs[0].Text}\n");

ChatMessage[] conversation = [new("system", "Answer in one sentence."), new("user", "What is the capital of France?")];
var progress = new Progress<int>(numDone => Console.Error.WriteLine($"{numDone} done"));
RequestOutput answer = llm.Chat([conversation], greedy, progress)[0];
Console.WriteLine($"{answer.Outputs[0].Text} ({answer.Outputs[0].FinishReason})");
