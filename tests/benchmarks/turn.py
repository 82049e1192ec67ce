"""Run one turn of one engine in a new process and read its measurements."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.model import Model

ROOT = Path(__file__).parents[2]
_REASON = 300  # characters of a failed process's last line


class TurnError(Exception):
    """The process of an engine failed. The message is the last line it wrote."""


@dataclass(frozen=True)
class Turn:
    """Measurements of one process.

    Attributes:
        cold_start: seconds from process start to the first classified message.
        first_memory: peak memory at that moment, in bytes.
        detail: the engine's description of itself.
        latencies: seconds of each message classified by itself.
        seconds: seconds for all messages, by mode.
        scores: score of each message, by mode.
        peak_memory: peak memory at the end, in bytes.
    """

    cold_start: float
    first_memory: int
    detail: str
    latencies: list[float]
    seconds: dict[str, float]
    scores: dict[str, list[float]]
    peak_memory: int


def take_turn(engine: str, model: Model, threads: int, *, texts: Sequence[str], singles: Sequence[str]) -> Turn:
    """Run one turn of an engine.

    Raises:
        TurnError: its process failed.
    """
    workload = json.dumps({"texts": list(texts), "singles": list(singles)})
    began = time.perf_counter()
    with _Process(worker_command("run", engine, model, threads), threads) as process:
        first = process.answer()
        cold_start = time.perf_counter() - began
        process.send(workload)
        figures = process.answer()
    return Turn(cold_start=cold_start, first_memory=first["peak_memory"], detail=first["detail"], **figures)


def ask(command: Sequence[str], threads: int) -> Any:
    """Run a command and return its only answer.

    Raises:
        TurnError: its process failed.
    """
    with _Process(command, threads) as process:
        return process.answer()


def worker_command(action: str, engine: str, model: Model, threads: int) -> list[str]:
    """Return the command line of :mod:`tests.benchmarks.worker`."""
    return [sys.executable, "-m", "tests.benchmarks.worker", action, engine, model.to_json(), str(threads)]


def environment(threads: int) -> Mapping[str, str]:
    """Return the environment of every engine: its number of threads, no access to the Hub, no telemetry."""
    return os.environ | {
        "OMP_NUM_THREADS": str(threads),
        "RAYON_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "true",
        "HF_HUB_OFFLINE": "1",
        "ORT_DISABLE_TELEMETRY": "1",
        "NNCF_CI": "1",
    }


class _Process:
    """A process that answers in lines of JSON. Its standard error is kept for the message of a failure."""

    def __init__(self, command: Sequence[str], threads: int) -> None:
        self._log = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - closed by __exit__
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment(threads), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log
        )

    def __enter__(self) -> "_Process":
        return self

    def __exit__(self, *_: object) -> None:
        # An engine's threads may still run after its last answer.
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise TurnError(f"exit code {self._process.wait()}: {self._last_words()}")
        return json.loads(line)

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").split("\n")
        return next((line.strip()[:_REASON] for line in reversed(lines) if line.strip()), "no message")
