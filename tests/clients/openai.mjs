// Talks to a server with the official client: node openai.mjs BASE_URL. Prints what it saw as JSON; any exception fails.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none", maxRetries: 0 });

const models = [];
for await (const model of client.models.list()) models.push(model.id);

const request = {
  model: models[0],
  messages: [{ role: "user", content: "What is the capital of France? Answer with one word." }],
  temperature: 0,
  max_completion_tokens: 16,
};
const answer = await client.chat.completions.create(request);

let streamed = "";
let usage = null;
const stream = await client.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } });
for await (const chunk of stream) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}

const completion = await client.completions.create({
  model: models[0], prompt: "The capital of France is", temperature: 0, max_tokens: 4,
});

let error = null;
try {
  await client.chat.completions.create({ ...request, model: "no-such-model" });
} catch (e) {
  error = { status: e.status, message: e.message };
}

console.log(JSON.stringify({
  models,
  content: answer.choices[0].message.content,
  finishReason: answer.choices[0].finish_reason,
  streamed,
  usage: [answer.usage, usage],
  completion: completion.choices[0].text,
  error,
}));
