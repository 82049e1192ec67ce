"""``validation.json``: the scores of messages that no training saw, which thresholds are chosen on."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spam_edge.bundle import Bundle
from spam_edge.errors import BundleIntegrityError

VALIDATION_NAME = "validation.json"
COLLECTION = "collection"
"""The kind of messages of which their corpus does not say what sort they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationScores:
    """Calibrated scores of the validation split, one message for each cluster of near duplicates.

    Attributes:
        variant: the file of the bundle that gave them.
        ham: ascending, shape (ham,).
        spam: ascending, shape (spam,).
        ham_kinds: what sort of message each ham is, in the same order; empty in bundles that do not say.
        spam_kinds: the same of the spam.
    """

    variant: str
    ham: NDArray[np.float64]
    spam: NDArray[np.float64]
    ham_kinds: tuple[str, ...] = ()
    spam_kinds: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, scores: NDArray[np.float32], is_positive: NDArray[np.int64], *, kinds: Sequence[str], variant: str
    ) -> Self:
        """Sort scores by class.

        Args:
            scores: shape (messages,).
            is_positive: shape (messages,), 1 for spam.
            kinds: what sort of message each is; where it is empty, it is of the collection.
            variant: the file that gave the scores.
        """
        named = np.array([kind or COLLECTION for kind in kinds])
        ham, spam = (_ascending(scores[rows], named[rows]) for rows in (is_positive == 0, is_positive == 1))
        return cls(variant=variant, ham=ham[0], spam=spam[0], ham_kinds=ham[1], spam_kinds=spam[1])

    @classmethod
    def read(cls, bundle: Bundle, *, verify: bool = True) -> Self:
        """Read ``validation.json``, compared with its hash first.

        Raises:
            BundleIntegrityError: it is missing, was changed or is broken.
        """
        if verify:
            bundle.verify([VALIDATION_NAME])
        path = bundle.file(VALIDATION_NAME)
        try:
            data = json.loads(path.read_bytes())
            ham, spam = (_read_class(data, name) for name in ("ham", "spam"))
            variant = str(data["variant"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleIntegrityError(f"{path} cannot be read ({error!r}); export the bundle again") from error
        return cls(variant=variant, ham=ham[0], spam=spam[0], ham_kinds=ham[1], spam_kinds=spam[1])

    @property
    def all(self) -> NDArray[np.float64]:
        """Those of both classes, ascending."""
        return np.sort(np.concatenate([self.ham, self.spam]))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, with as many digits as tell two single-precision numbers apart."""
        ham, spam = ([float(f"{score:.9g}") for score in scores] for scores in (self.ham, self.spam))
        return {
            "source": "validation split",
            "variant": self.variant,
            "one_per_cluster": True,
            "ham": ham,
            "spam": spam,
            "ham_kinds": list(self.ham_kinds),
            "spam_kinds": list(self.spam_kinds),
        }

    def votes(self) -> dict[str, Any]:
        """Return how many messages of each class voted, and the number and share of each kind, the largest first."""
        classes = (("ham", self.ham, self.ham_kinds), ("spam", self.spam, self.spam_kinds))
        return {name: {"n": len(scores), "kinds": _votes_by_kind(kinds)} for name, scores, kinds in classes}


def _read_class(data: Mapping[str, Any], name: str) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    # In single precision they are those that the runtime gives, to the bit, and can be compared with them.
    scores = np.array(data[name], dtype=np.float32)
    if scores.ndim != 1 or not len(scores) or not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError(f"{name} must be scores from 0 to 1")
    kinds = data.get(f"{name}_kinds") or [""] * len(scores)
    if len(kinds) != len(scores):
        raise ValueError(f"{name}_kinds must name a kind for each score")
    ascending, ordered = _ascending(scores, np.array([str(kind) for kind in kinds]))
    return ascending, ordered if any(ordered) else ()


def _ascending(scores: NDArray[np.float32], kinds: NDArray[np.str_]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    order = np.lexsort((kinds, scores))
    return scores[order].astype(np.float64), tuple(kinds[order].tolist())


def _votes_by_kind(kinds: Sequence[str]) -> dict[str, Any]:
    counts = sorted(Counter(kinds).items(), key=lambda entry: (-entry[1], entry[0]))
    return {kind: {"n": n, "share": n / len(kinds)} for kind, n in counts}
