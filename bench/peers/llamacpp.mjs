#!/usr/bin/env node
// Speed of llama.cpp's CPU library on a GGUF file, one JSON line per test:
//   node bench/peers/llamacpp.mjs MODEL.gguf [--threads N] [--prefill 512] [--parallel 1,8,32] [--in 128] [--out 128]
// The work is that of llama-bench and llama-batched-bench: decode calls of random tokens, logits of each sequence's last
// token, no sampling. One unmeasured run warms each test. The library comes from npm (package.json); --modules FOLDER
// names the folder whose node_modules has it when that is not this one.
import { spawnSync } from "node:child_process";
import { cpus } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

// With more than one libuv worker each call lands on another thread, llama.cpp starts new threads for it, and decoding is
// two to four times slower: no fair figure. The variable is read once, at the start of a process.
if (process.env.UV_THREADPOOL_SIZE !== "1") {
  const again = spawnSync(process.execPath, process.argv.slice(1), {
    stdio: "inherit", env: { ...process.env, UV_THREADPOOL_SIZE: "1" },
  });
  process.exit(again.status ?? 1);
}

const { values: opt, positionals: [file] } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string", default: String(cpus().length) },
    prefill: { type: "string", default: "512" },
    parallel: { type: "string", default: "1,8,32" },
    in: { type: "string", default: "128" },
    out: { type: "string", default: "128" },
    modules: { type: "string", default: dirname(fileURLToPath(import.meta.url)) },
  },
});
if (!file) {
  console.error("usage: node bench/peers/llamacpp.mjs MODEL.gguf [options]");
  process.exit(2);
}
const list = text => text.split(",").filter(Boolean).map(Number);
const [threads, numIn, numOut] = [opt.threads, opt.in, opt.out].map(Number);

const library = join(resolve(opt.modules), "node_modules", "node-llama-cpp", "dist", "index.js");
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(library).href);
const llama = await getLlama({
  gpu: false, build: "never", maxThreads: threads, logLevel: LlamaLogLevel.error, progressLogs: false,
});
const model = await llama.loadModel({ modelPath: resolve(file) });
const vocabSize = [...model.iterateAllTokens()].length;

for (const length of list(opt.prefill)) {
  await withContext(1, length + 64, Math.max(512, length), async context => {
    let seconds = 0;
    for (let run = 0; run < 2; run++) {
      seconds = await time(() => decode(context, [{ sequence: 0, position: 0, tokens: randomTokens(length) }]));
      context.disposeSequence(0);
    }
    report({ test: "prefill", tokens: length, tok_s: length / seconds });
  });
}

for (const users of list(opt.parallel)) {
  await withContext(users, numIn + numOut + 8, Math.max(512, users), async context => {
    let seconds = 0;
    for (let run = 0; run < 2; run++) {
      for (let sequence = 0; sequence < users; sequence++)
        await decode(context, [{ sequence, position: 0, tokens: randomTokens(numIn) }]);
      seconds = await time(async () => {
        for (let step = 0; step < numOut; step++) {
          await decode(context, Array.from({ length: users }, (_, sequence) => (
            { sequence, position: numIn + step, tokens: randomTokens(1) })));
        }
      });
      for (let sequence = 0; sequence < users; sequence++) context.disposeSequence(sequence);
    }
    report({ test: "decode", users, tok_s: users * numOut / seconds });
  });
}
await model.dispose();
await llama.dispose();

function report(record) {
  console.log(JSON.stringify({ engine: "llama.cpp", release: llama.llamaCppRelease.release, threads, ...record }));
}

function randomTokens(length) {
  return Uint32Array.from({ length }, () => Math.floor(Math.random() * vocabSize));
}

async function time(work) {
  const start = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

/** One call for all entries; each asks for the logits of its last token. */
async function decode(context, entries) {
  context.initBatch(entries.reduce((sum, entry) => sum + entry.tokens.length, 0));
  for (const { sequence, position, tokens } of entries)
    context.addToBatch(sequence, position, tokens, Uint32Array.of(tokens.length - 1));
  await context.decodeBatch();
}

async function withContext(sequences, contextSize, batchSize, work) {
  const context = await model.createContext({
    sequences, contextSize, batchSize, flashAttention: "auto", threads: { ideal: threads, min: threads },
    ignoreMemorySafetyChecks: true,
  });
  context._ctx.setThreads(threads);
  try {
    await work(context._ctx);
  } finally {
    await context.dispose();
  }
}
