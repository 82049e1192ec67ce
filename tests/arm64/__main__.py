"""Run the fused operator for ARM64 in QEMU, and compare it with that for this machine: ``python -m tests.arm64``."""

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.locate import Bundle
from spam_edge.errors import SpamEdgeError
from tests.arm64.emulator import PROCESSORS, UnavailableError
from tests.arm64.sysroot import SYSROOT, sysroot_python

ROOT = Path(__file__).parents[2]
NATIVE = ROOT / "spam_edge" / "native"
TINY = ROOT / "tests" / "data" / "tiny_bundle"
TESTS = (
    "tests/native",
    "tests/parity/test_fused.py",
    "tests/parity/test_invariance.py",
    "tests/runtime/test_custom_operator.py",
)
"""Tests of the fused operator."""


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path, exists=True, file_okay=False), default=TINY)
@click.option("--messages", default=200, show_default=True, help="Number of messages to compare.")
@click.option("--sysroot", type=click.Path(path_type=Path), default=SYSROOT, help="ARM64 Python, made if missing.")
@click.option("--only", type=click.Choice(list(PROCESSORS)), multiple=True, help="Instruction sets (default: all).")
@click.option("--tests", is_flag=True, help="Run the tests of the fused operator, too; this takes long.")
def main(bundle: Path, messages: int, sysroot: Path, only: tuple[str, ...], tests: bool) -> None:
    """Verify a bundle on emulated ARM64 processors, and compare its logits there with those here, bit by bit.

    Exits with 1 if anything differs or fails, and with 2 if this machine lacks what it takes.
    """
    try:
        python = sysroot_python(sysroot.resolve(), tests=tests)
    except UnavailableError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    _compile()
    texts = _messages(bundle, messages)
    passed = True
    with tempfile.TemporaryDirectory() as folder:
        for vectors in only or PROCESSORS:
            run = _Emulated(python, PROCESSORS[vectors], Path(folder))
            click.echo(f"{vectors} on {run.processor}:")
            passed &= _verified(run, bundle) & _the_same(run, bundle, texts, vectors) & (not tests or _tested(run))
    sys.exit(not passed)


class _Emulated:
    """Starts the emulated Python."""

    def __init__(self, python: Path, processor: str, folder: Path) -> None:
        self.python, self.processor, self.folder = python, processor, folder

    def __call__(self, *arguments: str, shown: bool = False) -> "subprocess.CompletedProcess[str]":
        environment = os.environ | {
            "QEMU_CPU": self.processor,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",  # modules of this machine have another Python
        }
        environment.pop("SPAM_EDGE_INSTRUCTION_SET", None)
        command = [str(self.python), *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=not shown, text=True, check=False)


def _compile() -> None:
    """Compile the libraries for ARM64, unless they are newer than all sources."""
    libraries = [NATIVE / f"libspam_encoder_{vectors}.so" for vectors in PROCESSORS]
    sources = [path for path in NATIVE.rglob("*") if path.suffix in {".c", ".h", ".py"}]
    newest = max(path.stat().st_mtime for path in sources)
    if not all(path.is_file() and path.stat().st_mtime > newest for path in libraries):
        subprocess.run([sys.executable, str(NATIVE / "build.py"), "--target", "aarch64"], check=True)


def _messages(bundle: Path, count: int) -> list[str]:
    """Return the golden messages, and after them combinations, for a range of lengths."""
    golden = list(Golden.read(Bundle.find(bundle)).texts)
    choose = random.Random(0)
    more = (" ".join(choose.choices(golden, k=choose.randint(2, 4))) for _ in range(count))
    return [*golden, *(text[: choose.randint(5, 300)] for text in more)][:count]


def _verified(run: _Emulated, bundle: Path) -> bool:
    """Run ``spam-edge verify`` there."""
    done = run("-m", "spam_edge", "verify", "--model", str(bundle), "--max-seconds", "36000")
    _show((done.stdout + done.stderr * bool(done.returncode)).splitlines())
    return done.returncode == 0


def _the_same(run: _Emulated, bundle: Path, texts: list[str], vectors: str) -> bool:
    """Compare the logits there, alone and in batches, with those of this machine's library."""
    messages, logits = run.folder / "messages.json", run.folder / "logits.npz"
    messages.write_text(json.dumps(texts), encoding="utf-8")
    done = run("-m", "tests.arm64.inside", str(bundle), str(messages), str(logits))
    if done.returncode:
        _show(done.stderr.splitlines())
        return False
    chosen: dict[str, Any] = json.loads(done.stdout)
    _show([f"auto took {chosen['variant']} with {chosen['instructions']} on {chosen['processor']}"])
    here = SpamClassifier.load(bundle, RuntimeOptions(device="cpu", variant="fused"))
    there = np.load(logits)
    alone = _differ("alone and in a batch", there["alone"], there["together"])
    same = _differ(f"there and here, with {here.instructions}", there["together"], here.logits(texts))
    return (chosen["variant"], chosen["instructions"]) == ("fused", vectors) and not alone and not same


def _differ(what: str, one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Report on the difference of two arrays of logits; True if there is one."""
    differing = int((one != other).any(axis=1).sum())
    largest = float(np.abs(one - other).max())
    found = f"{differing} differ, by up to {largest:.2g}" if differing else "bit-identical"
    _show([f"logits of {len(one)} messages {what}: {found}"])
    return bool(differing)


def _tested(run: _Emulated) -> bool:
    """Run the tests of the fused operator there."""
    return run("-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS, shown=True).returncode == 0


def _show(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(f"  {line}")


if __name__ == "__main__":
    try:
        main()
    except SpamEdgeError as error:
        sys.exit(f"error: {error}")
