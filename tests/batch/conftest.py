"""Fixtures for jobs on the tiny bundle, and readers of their output."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.batch import BatchJob, BatchReport

RunJob = Callable[..., BatchReport]
OPTIONS = RuntimeOptions(device="cpu", threads=1)


@pytest.fixture(scope="session")
def classifier(tiny_bundle: Path) -> SpamClassifier:
    return SpamClassifier.load(tiny_bundle, OPTIONS)


@pytest.fixture
def run_job(tiny_bundle: Path) -> RunJob:
    """Return a function that runs a job, with one worker by default."""

    def run(*inputs: Path | str, output: Path, **options: Any) -> BatchReport:
        run_options = {name: options.pop(name) for name in ("open_engine", "progress") if name in options}
        settings = {"bundle": tiny_bundle, "runtime": OPTIONS, "workers": 1} | options
        return BatchJob(inputs=inputs, output=output, **settings).run(**run_options)

    return run


@pytest.fixture
def judged(classifier: SpamClassifier) -> Callable[[list[str | None]], list[tuple[Any, Any, Any]]]:
    """Return a function that computes the three verdict columns directly with the classifier."""

    def judge(texts: list[str | None]) -> list[tuple[Any, Any, Any]]:
        verdicts: Iterator[Any] = iter(classifier.classify_batch([text for text in texts if text is not None]))
        columns = [(None, None, None) if text is None else None for text in texts]
        return [
            column or ((verdict := next(verdicts)).label, np.float32(verdict.score), verdict.truncated)
            for column in columns
        ]

    return judge


def messages(count: int, start: int = 0) -> list[str]:
    kinds = ("Free prize {}! Txt WIN to 88222 now, 150p/msg", "see you at {} then", 'line one {}\nand, "two" ü')
    return [kinds[number % 3].format(number) for number in range(start, start + count)]


def write_csv(path: Path, texts: list[str], *, delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, delimiter=delimiter)
        table.writerow(["id", "text", "note"])
        table.writerows([number, text, f"a, {number}\tb"] for number, text in enumerate(texts))
    return path


def write_jsonl(path: Path, texts: list[str | None]) -> Path:
    lines = (json.dumps({"id": number, "text": text}) + "\n" for number, text in enumerate(texts))
    path.write_text("".join(lines), encoding="utf-8")
    return path


def read_csv(path: Path, delimiter: str = ",") -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream, delimiter=delimiter, strict=True))


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def contents(output: Path) -> dict[str, bytes]:
    """Return the output files of a job by name, without the journal."""
    if output.is_file():
        paths = [path for path in output.parent.iterdir() if path.name.startswith(output.name)]
    else:
        paths = [path for path in output.iterdir() if path.is_file()]
    return {path.name: path.read_bytes() for path in paths}


def proc_fields(pid: int | str) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` from the state on: state, parent, group, session, ..."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return ["Z", "0", "0", "0"]
