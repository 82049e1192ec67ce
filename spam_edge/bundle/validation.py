"""``validation.json``: the scores of the validation split, from which thresholds are chosen."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spam_edge.bundle.checks import load_json
from spam_edge.bundle.locate import Bundle
from spam_edge.errors import BundleIntegrityError

VALIDATION_NAME = "validation.json"
_LONGEST_KIND = 100
COLLECTION = "collection"
"""Kind of messages whose corpus does not name kinds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationScores:
    """Calibrated scores of the validation split, one message per cluster of near duplicates.

    Attributes:
        variant: model variant that computed the scores.
        ham: ham scores, ascending, shape (ham,).
        spam: spam scores, ascending, shape (spam,).
        ham_kinds: kind of each ham message, in the order of ``ham``; empty if the bundle has no kinds.
        spam_kinds: kind of each spam message, in the order of ``spam``; empty if the bundle has no kinds.
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
        """Split scores by class and sort them.

        Args:
            scores: calibrated scores, shape (messages,).
            is_positive: 1 for spam, 0 for ham, shape (messages,).
            kinds: kind of each message; an empty one becomes ``COLLECTION``.
            variant: model variant that computed the scores.
        """
        named = np.array([kind or COLLECTION for kind in kinds])
        ham, spam = (_ascending(scores[rows], named[rows]) for rows in (is_positive == 0, is_positive == 1))
        return cls(variant=variant, ham=ham[0], spam=spam[0], ham_kinds=ham[1], spam_kinds=spam[1])

    @classmethod
    def read(cls, bundle: Bundle, *, verify: bool = True) -> Self:
        """Read ``validation.json``, after verifying its checksum if ``verify`` is true.

        Raises:
            BundleIntegrityError: the file is missing, changed or malformed.
        """
        content = bundle.read(VALIDATION_NAME, verify=verify)
        try:
            data = load_json(content)
            ham, spam = (_read_class(data, name) for name in ("ham", "spam"))
            variant = str(data["variant"])
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            path = bundle.file(VALIDATION_NAME)
            raise BundleIntegrityError(f"{path} cannot be read ({error!r}); export the bundle again") from error
        return cls(variant=variant, ham=ham[0], spam=spam[0], ham_kinds=ham[1], spam_kinds=spam[1])

    @property
    def all(self) -> NDArray[np.float64]:
        """Scores of both classes, ascending."""
        return np.sort(np.concatenate([self.ham, self.spam]))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-compatible data; nine significant digits round-trip float32."""
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
        """Return the number of messages per class, with the number and share of each kind, largest first."""
        classes = (("ham", self.ham, self.ham_kinds), ("spam", self.spam, self.spam_kinds))
        return {name: {"n": len(scores), "kinds": _votes_by_kind(kinds)} for name, scores, kinds in classes}


def _read_class(data: Mapping[str, Any], name: str) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    # Parsed as float32, the scores are bit-identical to those of the runtime and comparable with them.
    if not all(type(score) in (int, float) for score in data[name]):
        raise ValueError(f"{name} must be a list of scores")
    scores = np.array(data[name], dtype=np.float32)
    if scores.ndim != 1 or not len(scores) or not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError(f"{name} must be scores from 0 to 1")
    kinds = data.get(f"{name}_kinds") or [""] * len(scores)
    if len(kinds) != len(scores):
        raise ValueError(f"{name}_kinds must name a kind for each score")
    if not all(isinstance(kind, str) and len(kind) <= _LONGEST_KIND for kind in kinds):
        raise ValueError(f"{name}_kinds must be names of at most {_LONGEST_KIND} characters")
    ascending, ordered = _ascending(scores, np.array(kinds))
    return ascending, ordered if any(ordered) else ()


def _ascending(scores: NDArray[np.float32], kinds: NDArray[np.str_]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    order = np.lexsort((kinds, scores))
    return scores[order].astype(np.float64), tuple(kinds[order].tolist())


def _votes_by_kind(kinds: Sequence[str]) -> dict[str, Any]:
    counts = sorted(Counter(kinds).items(), key=lambda entry: (-entry[1], entry[0]))
    return {kind: {"n": n, "share": n / len(kinds)} for kind, n in counts}
