"""Print the memory of each part of a process that classifies one message, then a stream.

Run it with the interpreter of the environment to measure:

    .venv/bin/python tests/benchmarks/parts.py --model artifacts/bundle

Linux alone. Resident memory grows by a part when it is first used. Pages of files are shared by all processes, and the
system takes them back when memory is short.
"""

import argparse
import json
import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

MESSAGE = "WINNER!! Call 09061701461 to claim your prize"
STREAM = 4096
"""Messages of a stream: four windows."""
_STATUS = Path("/proc/self/status")
_FIELDS = {"resident": "VmRSS", "files": "RssFile", "peak": "VmHWM"}


def memory() -> dict[str, float]:
    """Return resident memory, the part of it that are pages of files, and the peak so far, in MiB."""
    lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="utf-8").splitlines())
    return {name: int(lines[field].split()[0]) / 1024 for name, field in _FIELDS.items()}


class Meter:
    """Attributes the growth of memory to parts.

    Attributes:
        parts: MiB by part, resident and of files.
    """

    def __init__(self) -> None:
        self.parts: dict[str, dict[str, float]] = {}
        self._before = {"resident": 0.0, "files": 0.0}

    def note(self, part: str) -> None:
        """Add what memory has grown by since the last call."""
        now = memory()
        found = self.parts.setdefault(part, {"resident": 0.0, "files": 0.0})
        for name in found:
            found[name] += now[name] - self._before[name]
        self._before = now

    def noting(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same and notes its memory."""

        def measured(*arguments: Any, **options: Any) -> Any:
            result = call(*arguments, **options)
            self.note(part)
            return result

        return measured


def measure(model: Path, threads: int | None) -> dict[str, Any]:
    """Classify in this process, which must have imported nothing yet; return the figures in MiB."""
    meter = Meter()
    meter.note("Python")
    os.environ |= {"ORT_DISABLE_TELEMETRY": "1", "OPENBLAS_NUM_THREADS": "1"}  # as spam-edge sets them
    import numpy  # noqa: F401

    meter.note("numpy")
    import onnxruntime  # noqa: F401

    meter.note("onnxruntime")
    import spam_edge.cli.classify  # noqa: F401
    from spam_edge import RuntimeOptions, classifier
    from spam_edge.runtime import session

    meter.note("spam-edge, click, OpenSSL")
    names, names_of_session = vars(classifier), vars(session)
    begin, open_graph = names["begin_to_read"], names_of_session["open_graph"]

    def read(*arguments: Any) -> Any:
        contents = begin(*arguments)
        for thread in threading.enumerate():
            if thread is not threading.current_thread():
                thread.join()
        meter.note("weights")
        return contents

    def open_packed(*arguments: Any, **options: Any) -> Any:
        meter.note("weights")
        return open_graph(*arguments, **options)

    names["begin_to_read"] = read
    names_of_session["open_graph"] = meter.noting("session", open_packed)
    opening = classifier.SpamClassifier
    opening._open_encoder = meter.noting("vocabulary", opening._open_encoder)  # type: ignore[method-assign]
    opened = opening.load(model, RuntimeOptions(threads=threads))
    opened.classify(MESSAGE)
    meter.note("one message")
    one = memory()["peak"]
    for _ in opened.classify_stream(_messages(model)):
        pass
    meter.note("stream")
    return {"parts_mib": meter.parts, "one_message_mib": one, "stream_mib": memory()["peak"], "threads": opened.threads}


def _messages(model: Path) -> Iterator[str]:
    """Yield messages of random words of the vocabulary, which leave no row of the embeddings untouched for long."""
    words = [word for word in json.loads((model / "tokenizer.json").read_bytes())["model"]["vocab"] if word.isalpha()]
    rng = random.Random(0)
    for _ in range(STREAM):
        yield " ".join(rng.choices(words, k=rng.randint(5, 40)))


def table(figures: Mapping[str, Any]) -> str:
    """Return the parts as a Markdown table, and the peaks."""
    rows = [(name, part["resident"], part["files"]) for name, part in figures["parts_mib"].items()]
    lines = ["| part | MiB | of these pages of files |", "| --- | --- | --- |"]
    lines += [f"| {name} | {resident:.1f} | {files:.1f} |" for name, resident, files in rows]
    lines += [f"| peak, one message | {figures['one_message_mib']:.1f} | |"]
    lines += [f"| peak, a stream on {figures['threads']} threads | {figures['stream_mib']:.1f} | |"]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("artifacts/bundle"), help="bundle to load")
    parser.add_argument("--threads", type=int, help="threads of the classifier (default: all)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    figures = measure(arguments.model, arguments.threads)
    print(json.dumps(figures) if arguments.json else table(figures))


if __name__ == "__main__":
    main()
