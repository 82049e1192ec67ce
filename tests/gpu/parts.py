"""The parts of a run, and how one runs: in a process of its own, with a time limit, never stopping the others."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.benchmarks.conductor import write_json
from tests.gpu.settings import BASE, NO_DEVICE, SHAPES, WIDE, Settings, SkippedError

ROOT = Path(__file__).parents[2]
OK, SKIPPED, FAILED, LATE, RUNNING = "ok", "skipped", "failed", "timed out", "running"
ENGINES = ("ours", "onnxruntime-o4", "torch-fp16", "torch-bf16", "pipeline")
COMPILED = ("compiled-fp16", "compiled-bf16")
_SHORTEST = 5.0  # seconds; a part that gets less is not started
_PATIENCE = 10
"""Factor of the time limits without CUDA: a processor may be slow or busy."""
_TAIL = 2000  # characters of the log that a failure keeps
_HERE = "tests.gpu"
Save = Callable[..., dict[str, Any]]
"""Takes figures by name and writes them at once, so that a part that is stopped keeps them; returns all so far."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part.

    Attributes:
        name: its name in the results.
        place: module and name of its function, which takes the settings, a :data:`Save` and the arguments.
        seconds: its time limit on CUDA.
        arguments: further arguments of the function.
        small: it has a small form on the CPU.
    """

    name: str
    place: str
    seconds: int
    arguments: tuple[str, ...] = ()
    small: bool = True


def _of_shape(shape: str) -> list[Part]:
    small = shape == BASE
    return [
        Part(f"bundle {shape}", f"{_HERE}.models:prepare", 150, (shape,), small),
        Part(f"inference {shape}", f"{_HERE}.inference:measure", 90, (shape,), small),
        *(Part(f"speed {shape} {engine}", f"{_HERE}.speed:measure", 60, (shape, engine), small) for engine in ENGINES),
    ]


PARTS = (
    Part("device", f"{_HERE}.device:describe", 120),
    Part("tests", f"{_HERE}.suite:run", 150),
    Part("train", f"{_HERE}.training:train_packaged", 200),
    *_of_shape(BASE),
    Part("commands", f"{_HERE}.commands:run", 120),
    Part("host", f"{_HERE}.host:measure", 60),
    *_of_shape(WIDE),
    *(
        Part(f"speed {shape} {engine}", f"{_HERE}.speed:measure", 90, (shape, engine), small=False)
        for shape in SHAPES
        for engine in COMPILED
    ),
    Part("train random", f"{_HERE}.training:train_random", 200, small=False),
)
"""All parts, in the order in which they run: a part needs only those before it, and the least important are last."""


def run_part(
    part: Part, settings: Settings, *, python: str, environment: Mapping[str, str], seconds: float
) -> dict[str, Any]:
    """Run a part and return its status, the reason if it is not ``ok``, its duration and its figures."""
    if seconds < _SHORTEST:
        return _skipped("the time of --seconds is used up")
    if not (part.small or settings.full or settings.torch_cuda):
        return _skipped(NO_DEVICE)
    limit = min(part.seconds * (1 if settings.cuda else _PATIENCE), seconds)
    folder = settings.work / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    result, log = (folder / f"{part.name.replace(' ', '-')}{suffix}" for suffix in (".json", ".log"))
    result.unlink(missing_ok=True)
    began = time.time()
    request = replace(settings, began=began).to_json()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [python, "-m", f"{_HERE}.worker", part.place, json.dumps(part.arguments), request, str(result)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        late = False
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            _end(process)
    outcome = _outcome(result, log, f"stopped after {limit:.0f} s" if late else "", process.returncode)
    return outcome | {"seconds": round(time.time() - began, 1)}


def work(place: str, arguments: Sequence[str], settings: Settings, result: Path) -> None:
    """Run the function of a part in this process, and write its figures to a file whenever it saves some."""
    figures: dict[str, Any] = {}

    def save(status: str, reason: str, /, **found: Any) -> dict[str, Any]:
        figures.update(found)
        write_json({"status": status, "reason": reason, "figures": figures}, result)
        return figures

    save(RUNNING, "")
    try:
        module, _, function = place.partition(":")
        getattr(import_module(module), function)(settings, partial(save, RUNNING, ""), *arguments)
    except SkippedError as skipped:
        save(SKIPPED, str(skipped))
    else:
        save(OK, "")


def _skipped(reason: str) -> dict[str, Any]:
    return {"status": SKIPPED, "reason": reason, "seconds": 0.0, "figures": {}}


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process and all that it has started; they are a process group of their own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _outcome(result: Path, log: Path, late: str, code: int) -> dict[str, Any]:
    """Read the figures of a part; one that ended without its last status was stopped or has failed."""
    try:
        found: dict[str, Any] = json.loads(result.read_bytes())
    except (OSError, ValueError):
        found = {"status": RUNNING, "reason": "", "figures": {}}
    if found["status"] != RUNNING:
        return found
    printed = log.read_text(encoding="utf-8", errors="replace").rstrip()
    last = printed.rpartition("\n")[2].strip()
    return found | {
        "status": LATE if late else FAILED,
        "reason": late or last or f"exit code {code}",
        "log": printed[-_TAIL:],
    }


def environment_of(python_path: str, libraries: str) -> dict[str, str]:
    """Return the environment of every part: this checkout, the libraries of CUDA, no Hub and no telemetry.

    Args:
        python_path: put before ``PYTHONPATH``.
        libraries: put before ``LD_LIBRARY_PATH``.
    """
    paths = {"PYTHONPATH": python_path, "LD_LIBRARY_PATH": libraries}
    return os.environ | {
        **{name: os.pathsep.join(filter(None, (path, os.environ.get(name)))) for name, path in paths.items()},
        "HF_HUB_OFFLINE": "1",
        "USE_TF": "0",  # transformers would import what the machine may have of it
        "USE_FLAX": "0",
        "ORT_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "true",
        "PYTHONUNBUFFERED": "1",
    }
