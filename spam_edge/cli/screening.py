"""Screening: read inputs window by window, classify, write and count."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from spam_edge.cli.writers import Writer
from spam_edge.errors import InputError
from spam_edge.readers.windows import ReadOptions, Window, read_windows

if TYPE_CHECKING:
    from spam_edge.classifier import SpamClassifier
    from spam_edge.prediction import Prediction

REPORTED_ROWS = 10
"""Bad rows reported individually; further ones are only counted."""


class Watcher(Protocol):
    """Receives notes and progress of a run."""

    def note(self, line: str) -> None:
        """Show a note to the user."""

    def advance(self, count: int) -> None:
        """Report the bytes read since the last call."""


@dataclass(slots=True)
class Tally:
    """Counts of a run.

    Attributes:
        labels: messages per label.
        bad: bad rows.
        blank: blank lines, which are not messages.
        truncated: messages that exceeded the maximum length of the model.
        disguised: messages with :attr:`Prediction.disguised` set.
        rescored: messages rescored in fp32, duplicates within a window once; None without ``exact``.
        unread: inputs that could not be read completely.
        inputs: number of inputs.
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
        """Number of classified messages."""
        return self.labels.total()

    @property
    def failure(self) -> str:
        """One line on the inputs and rows that could not be read; empty if there were none."""
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
    """A run over inputs.

    Attributes:
        classifier: the classifier.
        reading: how inputs are read.
        write: receives the verdicts of each window.
        watcher: receives bad rows and progress.
        only: write only messages with this label; all are counted.
        keep_going: report an unreadable input and continue with the next.
    """

    classifier: "SpamClassifier"
    reading: ReadOptions
    write: Writer
    watcher: Watcher
    only: str | None = None
    keep_going: bool = False

    def run(self, paths: Sequence[Path]) -> Tally:
        """Classify all messages of the inputs, in order.

        Raises:
            InputError: an input cannot be read and ``keep_going`` is not set.
        """
        tally = Tally(inputs=len(paths))
        start = perf_counter()
        for path in paths:
            try:
                for window in read_windows(path, self.reading):
                    self._classify(window, tally)
            except InputError as error:
                if not self.keep_going:
                    raise
                tally.unread += 1
                self.watcher.note(f"Error: {error}")
        tally.seconds = perf_counter() - start
        if self.classifier.options.exact:
            tally.rescored = self.classifier.rescored
        return tally

    def _classify(self, window: Window, tally: Tally) -> None:
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
                self.watcher.note("further bad rows are only counted")
