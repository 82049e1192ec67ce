"""Rescore messages near the threshold in fp32: those within the error band that the export measured for the variant."""

import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spam_edge.bundle.contents import Contents
from spam_edge.bundle.locate import Bundle
from spam_edge.decision.calibration import Calibration
from spam_edge.errors import BundleIntegrityError
from spam_edge.options import RuntimeOptions
from spam_edge.runtime.batching import Batch
from spam_edge.runtime.session import Session, open_session


class ExactSession:
    """A fast session whose logits near the threshold are replaced by those of a reference session.

    Attributes:
        variant: variant of the fast session.
        provider: execution provider of the fast session.
        threads: threads of the fast session.
        file: ONNX file of the fast session.
        instructions: instruction set of the fast session, if it is fused.
        rescored: rows that the reference session has run so far.
    """

    def __init__(
        self,
        fast: Session,
        reference: Session,
        *,
        calibration: Calibration,
        boundaries: Sequence[float],
        error_band: float,
    ) -> None:
        """Join two sessions of the same bundle.

        Args:
            fast: runs every batch.
            reference: runs the messages near a boundary again.
            calibration: conversion of logits into scores.
            boundaries: scores at which the label changes.
            error_band: maximum error of the margin of the fast session.
        """
        self.variant, self.provider, self.threads = fast.variant, fast.provider, fast.threads
        self.file, self.instructions = fast.file, fast.instructions
        self.rescored = 0
        self._counting = threading.Lock()
        self._fast = fast
        self._reference = reference
        self._calibration = calibration
        self._boundaries = np.array([calibration.margin_of(score) for score in boundaries], dtype=np.float32)
        self._error_band = error_band

    @property
    def token_budget(self) -> int:
        """Maximum tokens per batch of the fast session."""
        return self._fast.token_budget

    def run_all(self, batches: Sequence[Batch]) -> list[NDArray[np.float32]]:
        """Return the logits of each batch, in order; see :meth:`spam_edge.runtime.session.Session.run`."""
        results = self._fast.run_all(batches)
        near = [self._is_near_boundary(logits) for logits in results]
        chosen = [index for index, rows in enumerate(near) if rows.any()]
        again = [(batches[index][0][near[index]], batches[index][1][near[index]]) for index in chosen]
        again_rows = self._reference.run_all(again)
        for index, logits in zip(chosen, again_rows, strict=True):
            results[index][near[index]] = logits
        with self._counting:  # the session is thread-safe
            self.rescored += sum(map(len, again_rows))
        return results

    def _is_near_boundary(self, logits: NDArray[np.float32]) -> NDArray[np.bool_]:
        distances = np.abs(self._calibration.margins(logits)[:, None] - self._boundaries).min(axis=1)
        near: NDArray[np.bool_] = distances <= self._error_band
        return near


def open_exact_session(
    bundle: Bundle, options: RuntimeOptions, boundaries: Sequence[float], contents: Contents | None = None
) -> Session | ExactSession:
    """Open the variant of the options and, unless it is fp32, the fp32 variant for rescoring.

    Args:
        bundle: the bundle.
        options: select the fast variant.
        boundaries: scores at which the label changes.
        contents: the files of the bundle; see :func:`open_session`.

    Raises:
        BundleIntegrityError: the manifest has no error band for the fast variant.
    """
    fast = open_session(bundle, options, contents)
    if fast.variant == "fp32":
        return fast
    manifest = bundle.manifest
    error_band = manifest.variants[fast.variant].error_band
    if error_band is None:
        raise BundleIntegrityError(
            f"{bundle.path} has no error band for {fast.variant}; export the bundle again to use exact"
        )
    return ExactSession(
        fast,
        open_session(bundle, replace(options, variant="fp32"), contents),
        calibration=Calibration.of(manifest),
        boundaries=boundaries,
        error_band=error_band,
    )
