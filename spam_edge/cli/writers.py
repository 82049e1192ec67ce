"""Write verdicts as text, JSON Lines or CSV.

A writer writes one record per verdict of a window and flushes, so that the reader of a pipe gets them at once.
"""

import csv
import json
from collections.abc import Callable, Iterable
from typing import IO, TYPE_CHECKING

from spam_edge.escapes import one_line, safe_json, spreadsheet_cell
from spam_edge.readers.extraction import Message

if TYPE_CHECKING:
    from spam_edge.prediction import Prediction

Verdict = tuple[Message, "Prediction"]
Writer = Callable[[Iterable[Verdict]], None]

FORMATS = ("text", "jsonl", "csv")
FIELDS = ("file", "line", "label", "score", "truncated", "disguised", "text")


def text_writer(stream: IO[str], *, places: bool = False, style: Callable[[str], str] = one_line) -> Writer:
    """Return a writer of ``label<TAB>score<TAB>text``, one line per message.

    Args:
        stream: output stream.
        places: begin each line with ``file:line<TAB>``.
        style: function that escapes the label and may colour it.
    """

    def write(verdicts: Iterable[Verdict]) -> None:
        for message, prediction in verdicts:
            place = f"{one_line(message.file)}:{message.line}\t" if places else ""
            label = style(prediction.label)
            stream.write(f"{place}{label}\t{prediction.score:.4f}\t{one_line(message.text)}\n")
        stream.flush()

    return write


def jsonl_writer(stream: IO[str]) -> Writer:
    """Return a writer of one JSON object per line, with the keys ``FIELDS``."""

    def write(verdicts: Iterable[Verdict]) -> None:
        for message, prediction in verdicts:
            values = dict(zip(FIELDS, _values(message, prediction), strict=True))
            stream.write(safe_json(json.dumps(values, ensure_ascii=False)) + "\n")
        stream.flush()

    return write


def csv_writer(stream: IO[str], *, spreadsheet_safe: bool = False, escaped: bool = False) -> Writer:
    """Write the header ``FIELDS`` and return a writer of CSV rows.

    Args:
        stream: output stream.
        spreadsheet_safe: apply :func:`spreadsheet_cell` to each text.
        escaped: escape control characters, for a terminal.
    """
    plain = csv.writer(stream, lineterminator="\n")
    # With lineterminator="\n" the csv module does not quote "\r", which readers take for the end of a row.
    quoted = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    plain.writerow(FIELDS)

    def cell(value: object) -> object:
        if not isinstance(value, str):
            return str(value).lower() if isinstance(value, bool) else value
        value = spreadsheet_cell(value) if spreadsheet_safe else value
        return one_line(value) if escaped else value

    def write(verdicts: Iterable[Verdict]) -> None:
        for message, prediction in verdicts:
            table = quoted if "\r" in message.text + message.file + prediction.label else plain
            table.writerow([cell(value) for value in _values(message, prediction)])
        stream.flush()

    return write


def _values(message: Message, prediction: "Prediction") -> tuple[str, int, str, float, bool, bool, str]:
    # The score is computed in float32; further digits would be noise.
    score = round(prediction.score, 6)
    flags = prediction.truncated, prediction.disguised
    return message.file, message.line, prediction.label, score, *flags, message.text
