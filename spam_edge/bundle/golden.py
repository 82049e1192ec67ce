"""``golden.jsonl``: messages with the token ids and PyTorch logits recorded at export."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spam_edge.bundle.checks import Check, InvalidValueError, each, entries, integer, load_json, number, text
from spam_edge.bundle.locate import Bundle
from spam_edge.errors import BundleIntegrityError

GOLDEN_NAME = "golden.jsonl"
_LARGEST_LOGIT = 1e9
_FIELDS: Mapping[str, Check[Any]] = {
    "text": text,
    "input_ids": each(integer),
    "logits": each(partial(number, low=-_LARGEST_LOGIT, high=_LARGEST_LOGIT)),
}


@dataclass(frozen=True, slots=True)
class Golden:
    """Golden messages with the output of the original tokenizer and of PyTorch.

    Attributes:
        texts: the messages.
        token_ids: token ids per message, [CLS] and [SEP] included.
        logits: PyTorch logits, shape (messages, labels).
    """

    texts: list[str]
    token_ids: list[list[int]]
    logits: NDArray[np.float32]

    @classmethod
    def read(cls, bundle: Bundle) -> "Golden":
        """Read ``golden.jsonl``.

        Raises:
            BundleIntegrityError: the file is missing, changed or malformed.
        """
        lines = bundle.read(GOLDEN_NAME).splitlines()
        try:
            rows = [_row(load_json(line), place) for place, line in enumerate(lines, start=1)]
            _require_logits([row["logits"] for row in rows], len(bundle.manifest.labels))
        except ValueError as error:
            path = bundle.file(GOLDEN_NAME)
            raise BundleIntegrityError(f"{path} cannot be read ({error}); export the bundle again") from error
        logits = np.array([row["logits"] for row in rows], dtype=np.float32)
        return cls([row["text"] for row in rows], [list(row["input_ids"]) for row in rows], logits)


def _row(value: object, line: int) -> dict[str, Any]:
    found = entries(value, f"line {line}")
    if missing := [name for name in _FIELDS if name not in found]:
        raise InvalidValueError(f"line {line} has no {missing[0]}")
    return {name: check(found[name], f"{name} of line {line}") for name, check in _FIELDS.items()}


def _require_logits(rows: list[tuple[float, ...]], labels: int) -> None:
    if not rows:
        raise InvalidValueError("it is empty")
    if any(len(logits) != labels for logits in rows):
        raise InvalidValueError(f"logits must be {labels} numbers for each message")
