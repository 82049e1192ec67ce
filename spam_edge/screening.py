"""One run over inputs: read windows, classify them, hand on the verdicts, count."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from spam_edge.errors import InputError
from spam_edge.records import ReadOptions, Window, read_windows
from spam_edge.writers import Writer

if TYPE_CHECKING:
    from spam_edge.classifier import Prediction, SpamClassifier

REPORTED_ROWS = 10
"""Bad rows that are reported one by one; further ones are only counted."""


class Watcher(Protocol):
    """Whoever is told how a run goes."""

    def note(self, line: str) -> None:
        """Take a remark for the user."""

    def advance(self, count: int) -> None:
        """Take the number of bytes that were read since the last time."""


@dataclass(slots=True)
class Tally:
    """What was counted in a run.

    Attributes:
        labels: messages by label.
        bad: rows that could not be read.
        blank: blank lines, which are no messages.
        truncated: messages longer than the model reads.
        disguised: messages of which :attr:`Prediction.disguised` is said.
        rescored: messages that were run again in fp32, repeats within a window once; None unless that was asked for.
        unread: inputs that could not be read, or not to their end.
        inputs: all inputs.
        seconds: time from the first read to the last verdict.
    """

    labels: Counter[str] = field(default_factory=Counter)
    bad: int = 0
    blank: int = 0
    truncated: int = 0
    disguised: int = 0
    rescored: int | None = None
    unread: int = 0
    inputs: int = 0
    seconds: float = 0.0

    @property
    def messages(self) -> int:
        """Messages that were classified."""
        return self.labels.total()

    @property
    def failure(self) -> str:
        """What could not be read, in one line; empty when everything could."""
        failures = []
        if self.unread:
            failures.append(f"{self.unread:,} of {self.inputs:,} inputs could not be read")
        if self.bad:
            failures.append(f"{self.bad:,} of {self.bad + self.messages:,} rows could not be read")
        return "; ".join(failures)

    def add(self, window: Window, predictions: Sequence["Prediction"]) -> None:
        """Count a window."""
        self.labels.update(prediction.label for prediction in predictions)
        self.truncated += sum(prediction.truncated for prediction in predictions)
        self.disguised += sum(prediction.disguised for prediction in predictions)
        self.bad += len(window.bad)
        self.blank += window.blank


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """How a run is done.

    Attributes:
        classifier: gives the verdicts.
        reading: how inputs are read.
        write: takes the verdicts, window by window.
        watcher: is told of bad rows and progress.
        only: hand on the messages of this label alone; all are counted.
        keep_going: report an input that cannot be read and go on with the next.
    """

    classifier: "SpamClassifier"
    reading: ReadOptions
    write: Writer
    watcher: Watcher
    only: str | None = None
    keep_going: bool = False

    def run(self, paths: Sequence[Path]) -> Tally:
        """Classify every message of the inputs, in their order.

        Raises:
            InputError: an input cannot be read, unless the run is to keep going.
        """
        tally = Tally(inputs=len(paths))
        start = perf_counter()
        for path in paths:
            try:
                for window in read_windows(path, self.reading):
                    self._judge(window, tally)
            except InputError as error:
                if not self.keep_going:
                    raise
                tally.unread += 1
                self.watcher.note(f"Error: {error}")
        tally.seconds = perf_counter() - start
        if self.classifier.options.exact:
            tally.rescored = self.classifier.rescored
        return tally

    def _judge(self, window: Window, tally: Tally) -> None:
        self._report(window, tally.bad)
        predictions = self.classifier.classify_batch([message.text for message in window.messages])
        tally.add(window, predictions)
        verdicts = zip(window.messages, predictions, strict=True)
        self.write([verdict for verdict in verdicts if self.only in (None, verdict[1].label)])
        self.watcher.advance(window.bytes)

    def _report(self, window: Window, before: int) -> None:
        for number, row in enumerate(window.bad, start=before + 1):
            if number <= REPORTED_ROWS:
                self.watcher.note(f"{row.file}:{row.line}: {row.reason}")
            elif number == REPORTED_ROWS + 1:
                self.watcher.note("further rows that cannot be read are only counted")
