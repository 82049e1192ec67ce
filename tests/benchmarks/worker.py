"""Run one turn of one engine in a new process, from a cold start.

    python -m tests.benchmarks.worker run ENGINE MODEL THREADS < workload

Writes one line of JSON after the first message is classified, reads the workload, and writes a second line with the
measurements. ``build`` in place of ``run`` builds the engine's files. The time until the first line is the cold start,
so nothing is imported before the engine that the engine itself does not need.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from tests.benchmarks.engines import engine_class
from tests.benchmarks.model import Model

if TYPE_CHECKING:
    from tests.benchmarks.engines.base import Engine

MESSAGE = "WINNER!! Call 09061701461 to claim your prize"
_STATUS = Path("/proc/self/status")


def peak_memory() -> int:
    """Return the peak resident memory of this process in bytes."""
    if _STATUS.is_file():
        # ru_maxrss would include the memory of the forked parent before exec
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(engine: "Engine", workload: dict[str, Any]) -> dict[str, Any]:
    """Time messages one by one, then all messages in each mode.

    A first, untimed pass warms up: some engines compile kernels for each new length.

    Returns:
        Seconds of each single message, seconds by mode, scores by mode, and peak memory in bytes.
    """
    texts: list[str] = workload["texts"]
    singles: list[str] = workload["singles"]
    for text in singles:
        engine.classify([text])
    latencies = [_seconds(engine, [text]) for text in singles]
    scores: dict[str, list[float]] = {}
    seconds: dict[str, float] = {}
    for mode in engine.modes:
        engine.enter(mode)
        scores[mode] = engine.comparable(engine.classify(texts)).tolist()
        seconds[mode] = _seconds(engine, texts)
    return {"latencies": latencies, "seconds": seconds, "scores": scores, "peak_memory": peak_memory()}


def _seconds(engine: "Engine", texts: list[str]) -> float:
    began = time.perf_counter()
    engine.classify(texts)
    return time.perf_counter() - began


def run(engine: "Engine", answers: TextIO) -> None:
    """Run one turn."""
    engine.load()
    engine.classify([MESSAGE])
    print(json.dumps({"peak_memory": peak_memory(), "detail": engine.detail}), file=answers, flush=True)
    workload = json.loads(sys.stdin.readline())
    print(json.dumps(measure(engine, workload)), file=answers, flush=True)


def build(engine: "Engine", answers: TextIO) -> None:
    """Build the engine's files and report their size, and the unavailable_reason to timing it, if any."""
    engine.build()
    size = sum(path.stat().st_size for path in engine.files())
    print(json.dumps({"bytes": size, "unavailable_reason": engine.unavailable_reason()}), file=answers, flush=True)


def main() -> None:
    action, name, model, threads = sys.argv[1:]
    # Libraries print to standard output: answers keep its descriptor, everything else goes to standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    engine = engine_class(name)(Model.from_json(model), int(threads))
    {"run": run, "build": build}[action](engine, answers)


if __name__ == "__main__":
    main()
