// Runs this engine from scripts: commands, servers, and models of random weights.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const program = join(root, "vllm");
const scratch = mkdtempSync(join(tmpdir(), "vllm-bench-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

export const list = text => text.split(",").filter(Boolean).map(Number);

export const median = values => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

export function run(...args) {
  return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

/** A GGUF file as it is; SHAPE:TYPE (llama-1b:Q4_0) is written into a folder that is kept for the next time. */
export function modelFile(name) {
  if (existsSync(name)) return name;
  const [shape, type] = name.split(":");
  if (!type) throw new Error(`${name} is neither a file nor SHAPE:TYPE`);
  const folder = join(tmpdir(), "vllm-synth");
  const file = join(folder, `${shape}-${type}.gguf`);
  mkdirSync(folder, { recursive: true });
  if (!existsSync(file)) run("model", "synth", "--like", shape, "--type", type, "--output", file);
  return file;
}

/** The result of `bench latency`. */
export function latency(...args) {
  const result = join(scratch, "latency.json");
  run("bench", "latency", "--output-json", result, ...args);
  return JSON.parse(readFileSync(result, "utf8"));
}

/** Starts a server, lets `work(bench)` use it, and stops it. `bench(...flags)` gives the result of `bench serve`. */
export async function withServer(args, work) {
  const portFile = join(scratch, "port");
  rmSync(portFile, { force: true });
  const server = spawn(program, ["serve", "--port", "0", "--port-file", portFile, ...args], { stdio: ["ignore", "ignore", "inherit"] });
  const ended = new Promise(resolve => server.once("exit", resolve));
  try {
    while (!existsSync(portFile)) {
      if (server.exitCode !== null) throw new Error(`the server ended: vllm serve ${args.join(" ")}`);
      await new Promise(resolve => setTimeout(resolve, 100));
    }
    const port = readFileSync(portFile, "utf8").trim();
    return await work((...flags) => serveResult(port, flags));
  } finally {
    server.kill("SIGTERM");
    await ended;
  }
}

function serveResult(port, flags) {
  const result = join(scratch, "serve.json");
  run("bench", "serve", "--port", port, "--save-result", "--result-filename", result, "--disable-tqdm",
    "--ready-check-timeout-sec", "60", ...flags);
  return JSON.parse(readFileSync(result, "utf8"));
}

export const nameOf = file => basename(file, ".gguf");
