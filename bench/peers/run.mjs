#!/usr/bin/env node
// Runs llama.cpp and this engine in turn on one GGUF file and prints medians and ratios as a Markdown table:
//   node bench/peers/run.mjs MODEL.gguf --llamacpp BENCH.mjs [--rounds 3] [--threads 2] [--in 128] [--out 128]
// BENCH.mjs is a program that measures llama.cpp's library with raw decode calls and prints one JSON line per test
// ("test": "prefill" or "decode", "tok_s", "tokens" or "sequences"). Ours goes through the whole engine, sampling
// included. Rounds alternate, so that a busy minute hits both.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values: opt, positionals: [model] } = parseArgs({
  allowPositionals: true,
  options: {
    llamacpp: { type: "string" },
    rounds: { type: "string", default: "3" },
    threads: { type: "string", default: String(cpus().length) },
    prefill: { type: "string", default: "512" },
    parallel: { type: "string", default: "1,8,32" },
    in: { type: "string", default: "128" },
    out: { type: "string", default: "128" },
  },
});
if (!model || !opt.llamacpp) {
  console.error("usage: node bench/peers/run.mjs MODEL.gguf --llamacpp BENCH.mjs [--rounds N] [--threads N]");
  process.exit(2);
}

const vllm = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "vllm");
const results = join(mkdtempSync(join(tmpdir(), "peers-")), "result.json");
const list = text => text.split(",").filter(Boolean).map(Number);
const rates = new Map(); // test → { ours: [tok/s], theirs: [tok/s] }

function add(test, engine, tokensPerSecond) {
  if (!rates.has(test)) rates.set(test, { ours: [], theirs: [] });
  rates.get(test)[engine].push(tokensPerSecond);
  console.error(`${test}, ${engine}: ${tokensPerSecond.toFixed(1)} tok/s`);
}

function runTheirs() {
  const lines = execFileSync(process.execPath, [opt.llamacpp, model, "--threads", opt.threads, "--repetitions", "1",
    "--prefill", opt.prefill, "--parallel", opt.parallel, "--in", opt.in, "--out", opt.out], { encoding: "utf8" });
  for (const line of lines.split("\n").filter(Boolean)) {
    const test = JSON.parse(line);
    add(test.test === "prefill" ? `prefill ${test.tokens}` : `decode, ${test.sequences} users`, "theirs", test.tok_s);
  }
}

function runOurs() {
  for (const tokens of list(opt.prefill))
    add(`prefill ${tokens}`, "ours", latency(1, tokens, 2, 3).prefill_tokens_per_second);
  for (const users of list(opt.parallel))
    add(`decode, ${users} users`, "ours", latency(users, Number(opt.in), Number(opt.out), 1).decode_tokens_per_second);
}

function latency(batch, input, output, iterations) {
  execFileSync(vllm, ["bench", "latency", "--model", model, "--num-threads", opt.threads, "--batch-size", `${batch}`,
    "--input-len", `${input}`, "--output-len", `${output}`, "--num-iters-warmup", "1", "--num-iters", `${iterations}`,
    "--output-json", results], { stdio: ["ignore", "ignore", "inherit"] });
  return JSON.parse(readFileSync(results, "utf8"));
}

const median = values => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

for (let round = 0; round < Number(opt.rounds); round++) {
  runTheirs();
  runOurs();
}
console.log(`${cpus()[0].model.trim()}, ${opt.threads} threads, medians of ${opt.rounds} interleaved rounds, tok/s\n`);
console.log("| work | vllm | llama.cpp | ratio |\n|---|---|---|---|");
for (const [test, { ours, theirs }] of rates)
  console.log(`| ${test} | ${median(ours).toFixed(0)} | ${median(theirs).toFixed(0)} | ${(median(ours) / median(theirs)).toFixed(2)}× |`);
