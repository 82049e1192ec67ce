"""The part ``commands``: the command line on the device, with the bundle of the base shape."""

import csv
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.gpu.parts import ROOT, Save
from tests.gpu.settings import BASE, Settings

_ROWS, _FEW_ROWS = 100_000, 200
_WORKERS, _FEW_WORKERS = (1, 2, 4), (1, 2)
_TAIL = 300  # characters of the output


def run(settings: Settings, save: Save) -> None:
    """Run each command and report its exit code, duration and last output.

    Raises:
        RuntimeError: a command failed.
    """
    bundle = settings.bundle_of(BASE)
    lines, table = settings.work / "messages.txt", settings.work / "messages.csv"
    texts = settings.texts_of(BASE)
    lines.write_text("".join(f"{' '.join(text.split())}\n" for text in texts), encoding="utf-8")
    _write_table(table, texts, _ROWS if settings.cuda else _FEW_ROWS)
    model = ["--model", str(bundle), "--device", settings.device]
    named = [] if settings.cuda else ["--variant", "fp16"]  # on a GPU it is the default
    commands = {
        "info": ["info", *model, *named, "--json"],
        "info auto": ["info", "--model", str(bundle), "--json"],
        "verify": ["verify", *model, *named],
        "classify": ["classify", str(lines), *model, *named, "--summary"],
        "exact": ["classify", str(lines), *model, *named, "--exact", "--summary"],
        "bench": ["bench", *model, *named, "--seconds", "10" if settings.cuda else "0", "--json"],
    }
    found: dict[str, Any] = {}
    for name, arguments in commands.items():
        found[name] = _run(arguments)
        save(commands=found)
    jobs: dict[str, Any] = {}
    for workers in _WORKERS if settings.cuda else _FEW_WORKERS:
        jobs[f"{workers}"] = _batch(table, settings.work / "job", workers, [*model, *named])
        save(jobs=jobs)
    failed = [name for name, each in (found | jobs).items() if each["code"]]
    if failed:
        raise RuntimeError(f"these failed: {', '.join(failed)}")


def _run(arguments: Sequence[str]) -> dict[str, Any]:
    began = time.monotonic()
    command = [sys.executable, "-m", "spam_edge", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = {"code": done.returncode, "seconds": time.monotonic() - began, "stderr": done.stderr[-_TAIL:]}
    if "--json" in arguments and not done.returncode:
        return found | {"output": json.loads(done.stdout)}
    return found | {"stdout": done.stdout[-_TAIL:]}


def _batch(table: Path, output: Path, workers: int, options: Sequence[str]) -> dict[str, Any]:
    """Run a batch job; several workers are several processes on one GPU."""
    report = output.with_suffix(".json")
    arguments = ["batch", str(table), "--output", str(output), "--force", "--workers", str(workers), "--quiet"]
    found = _run([*arguments, "--report", str(report), *options])
    if not found["code"]:
        counts = json.loads(report.read_bytes())
        found |= {name: counts[name] for name in ("rows", "rows_per_second", "labels", "engine")}
    return found


def _write_table(path: Path, texts: Sequence[str], rows: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["id", "text"])
        table.writerows([number, texts[number % len(texts)]] for number in range(rows))
