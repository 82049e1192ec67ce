"""Build the engines' files, run the engines in interleaved turns, and collect the figures."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.corpus import count_tokens, evenly
from tests.benchmarks.engines import REFERENCE, engine_class, missing_modules
from tests.benchmarks.model import Model
from tests.benchmarks.summary import difference, operations_per_text, peak_for, ratios, summarize
from tests.benchmarks.turn import Turn, TurnError, ask, take_turn, worker_command

_REMEDY = "`make bench` installs all of them"
_SINGLES_AT_LEAST = 5
_FLIPS_AT_MOST = 0.02  # share of the messages; more is not rounding but a wrong engine

Report = Callable[[str], None]


@dataclass
class Contestant:
    """One engine on one model, with its results so far.

    Attributes:
        name: name of the engine.
        bytes: size of its model files.
        turns: its measurements.
        status: ``ok``, ``skipped`` (not possible here) or ``failed``.
        reason: why the status is not ``ok``.
    """

    name: str
    bytes: int = 0
    turns: list[Turn] = field(default_factory=list)
    status: str = "ok"
    reason: str = ""


class Comparisons:
    """All engines on one model."""

    def __init__(
        self, model: Model, engines: Sequence[str], *, texts: Sequence[str], singles: int, threads: int
    ) -> None:
        self.model = model
        self.threads = threads
        self._texts = list(texts)
        self._singles = singles
        self.contestants = [Contestant(name) for name in engines]
        self._reference: list[float] = []

    def prepare(self, report: Report) -> None:
        """Build what is missing, and compute the PyTorch scores that all engines are compared with.

        Raises:
            TurnError: PyTorch failed, so there is no reference.
        """
        for contestant in self.contestants:
            missing = missing_modules(contestant.name)
            if missing:
                contestant.status = "skipped"
                contestant.reason = f"{', '.join(missing)} not installed; {_REMEDY}"
            else:
                report(f"{self.model.name}: preparing {contestant.name}")
                self._build(contestant)
        report(f"{self.model.name}: reference scores from PyTorch")
        turn = take_turn(REFERENCE, self.model, self.threads, texts=self._texts, singles=[])
        self._reference = turn.scores["sorted"]

    def play(self, report: Report, *, backwards: bool) -> None:
        """Run one turn of every engine. Alternating the order spreads slow drifts evenly over the engines."""
        for contestant in self.contestants[:: -1 if backwards else 1]:
            if contestant.status == "ok":
                self._turn(contestant)
                report(f"{self.model.name}: {contestant.name} {_progress(contestant)}")

    def results(self, roofline: dict[str, Any], source: str) -> dict[str, Any]:
        """Return the figures of all turns so far."""
        mean_tokens = count_tokens(self._texts, self.model) / len(self._texts)
        operations = operations_per_text(self.model, mean_tokens)
        engines = {}
        for contestant in self.contestants:
            engine = engine_class(contestant.name)
            entry: dict[str, Any] = {"name": contestant.name, "title": engine.title, "settings": engine.settings}
            entry |= {"precision": engine.precision, "status": contestant.status, "reason": contestant.reason}
            if contestant.status == "ok":
                step = engine.slowness
                entry |= summarize(contestant.turns, len(self._texts[::step]))
                entry["bytes"] = contestant.bytes
                entry["difference"] = difference(contestant.turns, self._reference[::step])
                peak = peak_for(engine.precision, roofline)
                entry["share_of_peak"] = entry["best"]["median"] * operations / peak
            engines[contestant.name] = entry
        corpus = {"texts": len(self._texts), "source": source, "mean_tokens": mean_tokens}
        corpus["operations_per_text"] = operations
        shape = {"name": self.model.name, "model": self.model.describe(), "corpus": corpus, "engines": engines}
        return shape | {"ratios": ratios(engines)}

    def _build(self, contestant: Contestant) -> None:
        try:
            answer = ask(worker_command("build", contestant.name, self.model, self.threads), self.threads)
        except TurnError as error:
            contestant.status, contestant.reason = "failed", str(error)
            return
        contestant.bytes = answer["bytes"]
        if answer["unavailable_reason"]:
            contestant.status, contestant.reason = "skipped", answer["unavailable_reason"]

    def _turn(self, contestant: Contestant) -> None:
        step = engine_class(contestant.name).slowness
        singles = evenly(self._texts, max(_SINGLES_AT_LEAST, self._singles // step))
        texts = self._texts[::step]
        try:
            turn = take_turn(contestant.name, self.model, self.threads, texts=texts, singles=singles)
        except TurnError as error:
            contestant.status, contestant.reason = "failed", str(error)
            return
        contestant.turns.append(turn)
        flips = difference([turn], self._reference[::step])["flips"]
        if flips > _FLIPS_AT_MOST * len(texts):
            contestant.status = "failed"
            contestant.reason = f"{flips} of {len(texts)} labels differ from PyTorch's: not timed"


def run_roofline(threads: int, seconds: float) -> dict[str, Any]:
    """Measure the roofline in a process of its own.

    Raises:
        TurnError: a library is missing.
    """
    command = [sys.executable, "-m", "tests.benchmarks.roofline", str(threads), str(seconds)]
    peaks: dict[str, Any] = ask(command, threads)
    return peaks


def write_json(results: dict[str, Any], path: Path) -> None:
    """Write the figures atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".part")
    scratch.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    scratch.replace(path)


def _progress(contestant: Contestant) -> str:
    if contestant.status != "ok":
        return f"{contestant.status}: {contestant.reason}"
    turn = contestant.turns[-1]
    n = len(next(iter(turn.scores.values())))
    modes = ", ".join(f"{mode} {n / seconds:.4g}/s" for mode, seconds in turn.seconds.items())
    return f"{modes}; cold start {turn.cold_start:.2f} s"
