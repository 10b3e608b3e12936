Console.WriteLine("vllm");
