"""The labelled message, the two labels, and the label map for other corpora."""

from collections.abc import Mapping
from dataclasses import dataclass

from spam_edge.errors import InputError

HAM = "HAM"
SPAM = "SPAM"
LABELS = (HAM, SPAM)
"""Class names by logit index."""

MEANING = (
    "SPAM is an unsolicited message that seeks the receiver's money, data or click: fraud, unsolicited advertising, "
    "premium-rate bait, adult offers, gambling, loans, pills. HAM is conversation, and every notice from a party that "
    "the receiver deals with: codes, bank and card alerts, deliveries, bills, bookings, appointments, school, work, "
    "government, emergencies, receipts, and service messages that end in 'reply STOP'. A company's advertising to its "
    "own customers, marketing, is a separate kind: it is excluded from training and reported separately."
)
"""Definition of the two labels in the packaged corpora."""

DEFAULT_LABEL_MAP: Mapping[str, str] = {"ham": HAM, "spam": SPAM, "0": HAM, "1": SPAM}
"""Lower-case corpus label -> ``HAM`` or ``SPAM``. Covers the UCI file and the Hub's ``ucirvine/sms_spam``."""


@dataclass(frozen=True, slots=True)
class LabelledMessage:
    """A labelled message and its location, for error messages.

    Attributes:
        text: the unmodified message.
        label: ``HAM`` or ``SPAM``.
        file: name of the file or dataset.
        line: first line of the message, counted from 1; the row in a dataset or Parquet file.
    """

    text: str
    label: str
    file: str = "memory"
    line: int = 0

    @property
    def is_spam(self) -> bool:
        """Whether the label is ``SPAM``."""
        return self.label == SPAM


def parse_label_map(specification: str) -> dict[str, str]:
    """Parse ``junk=SPAM,ok=HAM`` into a label map with keys in lower case.

    Raises:
        InputError: an entry is not ``name=HAM`` or ``name=SPAM``, or a name is mapped twice.
    """
    label_map: dict[str, str] = {}
    for entry in specification.split(","):
        name, separator, label = (part.strip() for part in entry.partition("="))
        if not separator or not name or label.upper() not in LABELS:
            raise InputError(f"label map: {entry.strip()!r} is not of the form name=SPAM or name=HAM")
        if name.casefold() in label_map:
            raise InputError(f"label map: {name!r} is mapped twice; keep one of the two entries")
        label_map[name.casefold()] = label.upper()
    return label_map


def to_message(text: object, label: object, file: str, line: int, label_map: Mapping[str, str]) -> LabelledMessage:
    """Validate one raw row and map its label.

    Raises:
        InputError: the text is missing, not a string or blank, or the label is missing or not in ``label_map``.
    """
    where = f"{file}, line {line}"
    if not isinstance(text, str):
        raise InputError(f"{where}: the text is {type(text).__name__}, not a string; correct or remove the row")
    if not text.strip():
        raise InputError(f"{where}: the text is empty; remove the row")
    name = "" if label is None else str(label).strip().casefold()
    if not name:
        raise InputError(f"{where}: the row has no label; give it one, or remove the row")
    if name not in label_map:
        known = ", ".join(sorted(label_map))
        raise InputError(
            f"{where}: unknown label {label!r}; known labels are {known}; map it with --label-map NAME=SPAM,..."
        )
    return LabelledMessage(text, label_map[name], file, line)
