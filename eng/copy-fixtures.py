#!/usr/bin/env python3
"""Copies a small, openly licensed subset of the fixtures to tests/fixtures: eng/copy-fixtures.py SOURCE.

Chosen by rule, not by name: synthetic or openly licensed, and small. Tests use it where the whole set is not there.
"""
import gzip, json, shutil, sys
from pathlib import Path

SOURCE = Path(sys.argv[1])
TARGET = Path(__file__).resolve().parent.parent / "tests" / "fixtures"
SMALL = 64 << 10  # bytes of a tokenizer folder or a model


def size(folder):
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


def copy(path):
    target = TARGET / path.relative_to(SOURCE)
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, target, copy_function=shutil.copyfile)
    else:
        shutil.copyfile(path, target)


def tokenizers():
    kept = set()
    for folder in sorted((SOURCE / "tokenizers").iterdir()):
        meta = folder / "meta.json"
        if folder.is_dir() and (not meta.exists() or json.loads(meta.read_text())["openLicence"] and size(folder) <= SMALL):
            copy(folder)
            kept.add(folder.name)
    copy(SOURCE / "tokenizers" / "gguf_pre_aliases.json")
    for cases in sorted((SOURCE / "detokenize").glob("*.jsonl.gz")):
        if cases.name.removesuffix(".jsonl.gz") in kept:
            copy(cases)


def chat_templates():
    folder = SOURCE / "chat-templates"
    own = {t.stem for t in folder.glob("templates/*.json") if json.loads(t.read_text())["licence"] == "same as the suite"}
    for name in sorted(own):
        copy(folder / "templates" / f"{name}.json")
        copy(folder / "templates" / f"{name}.jinja")
    with gzip.open(folder / "cases.jsonl.gz", "rt", encoding="utf-8", newline="\n") as lines:
        kept = [line for line in lines if Path(json.loads(line)["template"]).stem in own]
    with gzip.GzipFile(TARGET / "chat-templates" / "cases.jsonl.gz", "wb", mtime=0) as out:
        out.write("".join(kept).encode())


def models(family, limit):
    for folder in sorted(family.iterdir()):
        if folder.is_dir() and folder.name.startswith(("llama", "mistral")) and size(folder) <= limit:
            copy(folder)


shutil.rmtree(TARGET, ignore_errors=True)
for name in ["jinja", "scheduler", "sampling", "smollm2"]:
    copy(SOURCE / name)
tokenizers()
chat_templates()
copy(SOURCE / "gguf" / "blocks")
copy(SOURCE / "gguf" / "malformed")
models(SOURCE / "gguf" / "models", 250 << 10)
models(SOURCE / "models", 150 << 10)
for run in ["main", "auth", "metrics", "tiny-default", "tiny-chunked", "tiny-flags", "tiny-genconfig", "tiny-cache"]:
    copy(SOURCE / "server" / run)
for family in ["tokenizers", "detokenize", "chat-templates", "gguf", "models", "server"]:
    copy(SOURCE / family / "README.md")
print(f"{size(TARGET) / 1e6:.1f} MB in {TARGET.name}")
