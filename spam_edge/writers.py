"""Write verdicts as text, JSON Lines or CSV.

A writer takes the verdicts of one window, writes one record for each and flushes, so that whoever reads
the other end of a pipe has them at once.
"""

import csv
import json
from collections.abc import Callable, Iterable
from typing import IO, TYPE_CHECKING

from spam_edge.rows import Message

if TYPE_CHECKING:
    from spam_edge.classifier import Prediction

Verdict = tuple[Message, "Prediction"]
Writer = Callable[[Iterable[Verdict]], None]

FORMATS = ("text", "jsonl", "csv")
FIELDS = ("file", "line", "label", "score", "truncated", "disguised", "text")

# Whatever ends a line or moves the cursor for some program, and the marks that reverse what is shown after them.
_INVISIBLE = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_VISIBLE = {code: chr(code).encode("unicode_escape").decode() for code in _INVISIBLE}


def text_writer(stream: IO[str], *, places: bool = False, style: Callable[[str], str] = str) -> Writer:
    """Write ``label<TAB>score<TAB>text``, always one line for a message.

    Args:
        stream: where the lines go.
        places: begin each line with ``file:line<TAB>``.
        style: what to do to a label, for instance colour it.
    """

    def write(verdicts: Iterable[Verdict]) -> None:
        for message, prediction in verdicts:
            place = f"{one_line(message.file)}:{message.line}\t" if places else ""
            label = style(prediction.label)
            stream.write(f"{place}{label}\t{prediction.score:.4f}\t{one_line(message.text)}\n")
        stream.flush()

    return write


def jsonl_writer(stream: IO[str]) -> Writer:
    """Write one JSON object per line, with the keys ``FIELDS``."""

    def write(verdicts: Iterable[Verdict]) -> None:
        for message, prediction in verdicts:
            values = dict(zip(FIELDS, _values(message, prediction), strict=True))
            stream.write(json.dumps(values, ensure_ascii=False) + "\n")
        stream.flush()

    return write


def csv_writer(stream: IO[str]) -> Writer:
    """Write a table with the columns ``FIELDS``, the header at once."""
    plain = csv.writer(stream, lineterminator="\n")
    # With this line end the module leaves a carriage return bare, and readers take it for the end of the row.
    quoted = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    plain.writerow(FIELDS)

    def write(verdicts: Iterable[Verdict]) -> None:
        for message, prediction in verdicts:
            table = quoted if "\r" in message.text + message.file else plain
            table.writerow([_as_in_json(value) for value in _values(message, prediction)])
        stream.flush()

    return write


def one_line(text: str) -> str:
    r"""Make control characters visible: a newline becomes ``\n``."""
    return text.translate(_VISIBLE)


def _values(message: Message, prediction: "Prediction") -> tuple[str, int, str, float, bool, bool, str]:
    # The score was computed in single precision: further digits would be noise.
    score = round(prediction.score, 6)
    flags = prediction.truncated, prediction.disguised
    return message.file, message.line, prediction.label, score, *flags, message.text


def _as_in_json(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value
