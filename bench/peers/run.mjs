#!/usr/bin/env node
// Runs llama.cpp and this engine in turn on the same GGUF files and writes medians and ratios as Markdown:
//   node bench/peers/run.mjs MODEL... [--rounds 3] [--threads 2] [--prefill 512] [--parallel 1,8,32] [--in 128] [--out 128]
//        [--iterations 2] [--modules FOLDER] [--no-peer] [--no-http] [--output FILE.md]
// MODEL is a file, or SHAPE:TYPE for random weights (llama-1b:Q4_0, smollm2-135m:Q4_K_M; see `vllm model synth --help`).
// llama.cpp is measured by raw decode calls without sampling (llamacpp.mjs, --modules as there); ours goes through the
// whole engine, sampling included, after as many warm-up iterations as measured ones: while .NET compiles in the
// background, two threads have less than two cores. Rounds alternate, so that a busy minute hits both. The HTTP part is ours alone: 32
// users of 128 + 128 tokens, and 32 users whose prompts share 1,500 tokens with the prefix cache on and off.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { latency, list, median, modelFile, nameOf, withServer } from "./vllm.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const { values: opt, positionals: models } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "3" },
    threads: { type: "string", default: String(cpus().length) },
    prefill: { type: "string", default: "512" },
    parallel: { type: "string", default: "1,8,32" },
    in: { type: "string", default: "128" },
    out: { type: "string", default: "128" },
    iterations: { type: "string", default: "2" },
    modules: { type: "string", default: here },
    "no-peer": { type: "boolean", default: false },
    "no-http": { type: "boolean", default: false },
    output: { type: "string" },
  },
});
if (models.length === 0) {
  console.error("usage: node bench/peers/run.mjs MODEL.gguf|SHAPE:TYPE ... [options]");
  process.exit(2);
}

/** Values of each test by engine, from all rounds. */
class Results {
  #tests = new Map();

  add(test, engine, value) {
    if (!this.#tests.has(test)) this.#tests.set(test, { ours: [], theirs: [] });
    this.#tests.get(test)[engine].push(value);
    console.error(`${test}, ${engine}: ${value.toFixed(1)}`);
  }

  rows() {
    return [...this.#tests].map(([test, { ours, theirs }]) => {
      const spread = `${Math.min(...ours).toFixed(0)}–${Math.max(...ours).toFixed(0)}`;
      const peer = theirs.length ? `${median(theirs).toFixed(0)} | ${(median(ours) / median(theirs)).toFixed(2)}×` : "– | –";
      return `| ${test} | ${median(ours).toFixed(0)} | ${spread} | ${peer} |`;
    });
  }
}

function runTheirs(file, results) {
  const lines = execFileSync(process.execPath, [join(here, "llamacpp.mjs"), file, "--threads", opt.threads,
    "--prefill", opt.prefill, "--parallel", opt.parallel, "--in", opt.in, "--out", opt.out, "--modules", opt.modules],
    { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  for (const line of lines.split("\n").filter(Boolean)) {
    const test = JSON.parse(line);
    results.add(test.test === "prefill" ? `prefill ${test.tokens}` : decodeName(test.users), "theirs", test.tok_s);
  }
}

function runOurs(file, results) {
  const batch = (size, input, output) => latency("--model", file, "--num-threads", opt.threads,
    "--max-model-len", `${input + output + 8}`, "--batch-size", `${size}`, "--input-len", `${input}`,
    "--output-len", `${output}`, "--num-iters-warmup", opt.iterations, "--num-iters", opt.iterations);
  for (const tokens of list(opt.prefill))
    results.add(`prefill ${tokens}`, "ours", batch(1, tokens, 2).prefill_tokens_per_second);
  for (const users of list(opt.parallel))
    results.add(decodeName(users), "ours", batch(users, Number(opt.in), Number(opt.out)).decode_tokens_per_second);
}

const decodeName = users => `decode, ${users} user${users === 1 ? "" : "s"}`;

/** One table row per server; medians over the rounds of each server's run. */
async function runHttp(file) {
  const users = ["--num-prompts", "32", "--max-concurrency", "32"];
  const shared = ["--dataset-name", "prefix_repetition", "--prefix-repetition-num-prefixes", "1",
    "--prefix-repetition-prefix-len", "1500", "--prefix-repetition-suffix-len", "16", "--output-len", "32", "--ignore-eos",
    "--num-warmups", "1", ...users];
  const cases = [
    ["128 in, 128 out, 32 users", [], ["--random-input-len", "128", "--random-output-len", "128", ...users]],
    ["1,500 shared tokens, 32 users, prefix cache", ["--enable-prefix-caching"], shared],
    ["1,500 shared tokens, 32 users, no prefix cache", ["--no-enable-prefix-caching"], shared],
  ];
  const rows = [];
  for (const [name, serverFlags, flags] of cases) {
    const runs = [];
    await withServer([file, "--num-threads", opt.threads, "--max-model-len", "2048", ...serverFlags], bench => {
      for (let round = 0; round < Number(opt.rounds); round++) runs.push(bench(...flags, "--seed", `${round}`));
    });
    const of = key => median(runs.map(run => run[key]));
    console.error(`${name}: ${of("output_throughput").toFixed(1)} tok/s`);
    rows.push(`| ${name} | ${of("output_throughput").toFixed(0)} | ${of("duration").toFixed(2)} `
      + `| ${of("median_ttft_ms").toFixed(0)} | ${of("median_tpot_ms").toFixed(1)} |`);
  }
  return rows;
}

const machine = `${cpus()[0].model.trim()}, ${opt.threads} threads, medians of ${opt.rounds} interleaved rounds, tokens per second`;
const report = [`    node bench/peers/run.mjs ${process.argv.slice(2).join(" ")}`, "", machine];
for (const model of models) {
  const file = modelFile(model);
  const results = new Results();
  for (let round = 0; round < Number(opt.rounds); round++) {
    if (!opt["no-peer"]) runTheirs(file, results);
    runOurs(file, results);
  }
  report.push("", `## ${nameOf(file)}`, "", "| work | vllm | range | llama.cpp | ratio |", "|---|---|---|---|---|", ...results.rows());
  if (opt["no-http"]) continue;
  report.push("", "| over HTTP | output tok/s | seconds | TTFT ms | TPOT ms |", "|---|---|---|---|---|", ...await runHttp(file));
}
const text = report.join("\n") + "\n";
if (opt.output) writeFileSync(opt.output, text);
else console.log(text);
