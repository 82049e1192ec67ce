"""Two steps: what int8 leaves in doubt, by the largest error that the export measured, is decided by the fp32 file."""

import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spam_edge.batching import Batch
from spam_edge.bundle import Bundle
from spam_edge.errors import BundleIntegrityError
from spam_edge.scores import margin_at
from spam_edge.session import RuntimeOptions, Session, open_session


class ExactSession:
    """A fast session whose logits near the threshold are replaced by those of a reference session.

    Attributes:
        variant: of the fast session.
        provider: of the fast session.
        threads: of the fast session.
        token_budget: of the fast session.
        file: of the fast session.
        rescored: rows that went through the reference session so far.
    """

    def __init__(
        self, fast: Session, reference: Session, *, positive_index: int, boundaries: Sequence[float], error_band: float
    ) -> None:
        """Join two sessions on the same bundle.

        Args:
            fast: runs every batch.
            reference: runs the messages in doubt.
            positive_index: column of the positive label.
            boundaries: differences of the two logits at which the label changes.
            error_band: by how much the fast session's difference of logits may be wrong.
        """
        self.variant, self.provider, self.threads = fast.variant, fast.provider, fast.threads
        self.token_budget, self.file = fast.token_budget, fast.file
        self.rescored = 0
        self._counting = threading.Lock()
        self._fast = fast
        self._reference = reference
        self._positive_index = positive_index
        self._boundaries = np.array(boundaries, dtype=np.float32)
        self._error_band = error_band

    def run_all(self, batches: Sequence[Batch]) -> list[NDArray[np.float32]]:
        """Return the logits of each batch, in their order; see :meth:`spam_edge.session.Session.run`."""
        results = self._fast.run_all(batches)
        doubtful = [self._in_doubt(logits) for logits in results]
        chosen = [index for index, rows in enumerate(doubtful) if rows.any()]
        again = [(batches[index][0][doubtful[index]], batches[index][1][doubtful[index]]) for index in chosen]
        again_rows = self._reference.run_all(again)
        for index, logits in zip(chosen, again_rows, strict=True):
            results[index][doubtful[index]] = logits
        with self._counting:  # a classifier may be used from several threads
            self.rescored += sum(map(len, again_rows))
        return results

    def _in_doubt(self, logits: NDArray[np.float32]) -> NDArray[np.bool_]:
        margins = logits[:, self._positive_index] - logits[:, 1 - self._positive_index]
        distances = np.abs(margins[:, None] - self._boundaries).min(axis=1)
        doubt: NDArray[np.bool_] = distances <= self._error_band
        return doubt


def open_exact_session(bundle: Bundle, options: RuntimeOptions, boundaries: Sequence[float]) -> Session | ExactSession:
    """Open what is fastest and, unless that is fp32 itself, fp32 beside it.

    Args:
        bundle: where the files are.
        options: which of them is the fast one.
        boundaries: scores at which the label changes.

    Raises:
        BundleIntegrityError: the bundle does not say how far the fast file may be wrong.
    """
    fast = open_session(bundle, options)
    if fast.variant == "fp32":
        return fast
    manifest = bundle.manifest
    error_band = manifest.variants[fast.variant].error_band
    if error_band is None:
        raise BundleIntegrityError(
            f"{bundle.path} does not say how far {fast.variant} may be wrong; export it again to use exact"
        )
    return ExactSession(
        fast,
        open_session(bundle, replace(options, variant="fp32")),
        positive_index=manifest.positive_index,
        boundaries=[margin_at(score, temperature=manifest.temperature) for score in boundaries],
        error_band=error_band,
    )
