"""Measure one message from process start to verdict, its peak memory, and the size of the environment.

Run it with the interpreter of the environment to measure:

    .venv/bin/python tests/benchmarks/start.py --model artifacts/bundle
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

MESSAGE = "WINNER!! Call 09061701461 to claim your prize\n"


def run_once(command: list[str], message: str) -> tuple[float, float]:
    """Return seconds from start to exit, and peak resident memory in MiB."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(message.encode())
    process.stdin.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with exit code {process.returncode}")
    return seconds, usage.ru_maxrss / 1024


def environment_bytes() -> int:
    folder = Path(sysconfig.get_path("purelib"))
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="artifacts/bundle", help="bundle to load")
    parser.add_argument("--rounds", type=int, default=15, help="runs of each command, interleaved")
    parser.add_argument("--output", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()

    classify = [sys.executable, "-m", "spam_edge", "classify", "--model", arguments.model]
    bare = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    run_once(classify, MESSAGE)  # fills the page cache and compiles the bytecode
    rounds = [(run_once(classify, MESSAGE), run_once(bare, MESSAGE)) for _ in range(arguments.rounds)]
    figures = {
        "start_to_verdict_s": round(statistics.median(ours[0] for ours, _ in rounds), 3),
        "bare_python_s": round(statistics.median(theirs[0] for _, theirs in rounds), 3),
        "peak_memory_mib": round(max(ours[1] for ours, _ in rounds), 1),
        "environment_mib": round(environment_bytes() / 2**20, 1),
        "rounds": arguments.rounds,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }
    print(
        f"one message, start to verdict: {figures['start_to_verdict_s']} s (bare Python {figures['bare_python_s']} s)"
    )
    print(f"peak memory:                   {figures['peak_memory_mib']} MiB")
    print(f"installed packages:            {figures['environment_mib']} MiB")
    print(json.dumps(figures))
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
