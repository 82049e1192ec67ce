"""``validation.json``: the scores of messages that no training saw, which thresholds are chosen on."""

import json
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spam_edge.bundle import Bundle
from spam_edge.errors import BundleIntegrityError

VALIDATION_NAME = "validation.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationScores:
    """Calibrated scores of the validation split, one message for each cluster of near duplicates.

    Attributes:
        variant: the file of the bundle that gave them.
        ham: ascending, shape (ham,).
        spam: ascending, shape (spam,).
    """

    variant: str
    ham: NDArray[np.float64]
    spam: NDArray[np.float64]

    @classmethod
    def of(cls, scores: NDArray[np.float32], is_positive: NDArray[np.int64], *, variant: str) -> Self:
        """Sort scores by class; both arguments have the shape (messages,)."""
        ascending = np.sort(scores[is_positive == 0]), np.sort(scores[is_positive == 1])
        ham, spam = (part.astype(np.float64) for part in ascending)
        return cls(variant=variant, ham=ham, spam=spam)

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
            # In single precision they are those that the runtime gives, to the bit, and can be compared with them.
            ham, spam = (np.sort(np.array(data[name], dtype=np.float32)).astype(np.float64) for name in ("ham", "spam"))
            variant = str(data["variant"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleIntegrityError(f"{path} cannot be read ({error!r}); export the bundle again") from error
        for scores in (ham, spam):
            if scores.ndim != 1 or not len(scores) or not (scores[0] >= 0 and scores[-1] <= 1):
                raise BundleIntegrityError(f"{path} must hold scores of ham and of spam; export the bundle again")
        return cls(variant=variant, ham=ham, spam=spam)

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
        }
