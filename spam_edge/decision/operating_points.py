"""Operating points: thresholds from a mode, from a false-positive rate or given explicitly."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spam_edge.bundle.locate import Bundle
from spam_edge.bundle.manifest import Manifest
from spam_edge.errors import OperatingPointError
from spam_edge.options import RuntimeOptions

if TYPE_CHECKING:
    from spam_edge.decision.thresholds import FalsePositives

BALANCED = "balanced"
LOW_FALSE_POSITIVE = "low-false-positive"
HIGH_RECALL = "high-recall"
MODES = (LOW_FALSE_POSITIVE, BALANCED, HIGH_RECALL)
"""Modes, from the highest threshold to the lowest."""
UNSURE = "UNSURE"
"""Label of scores between the ``high-recall`` and the ``low-false-positive`` threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """Maps scores to labels.

    Attributes:
        labels: negative label, positive label and, with ``unsure_from``, ``UNSURE``.
        threshold: lowest score with the positive label.
        unsure_from: lowest score with the label ``UNSURE``; None if that label is not used.
        mode: mode of the bundle; None if the threshold has another source.
        false_positives: false positives on the validation split; None unless ``max_fpr`` was given.
    """

    labels: tuple[str, ...]
    threshold: float
    unsure_from: float | None = None
    mode: str | None = None
    false_positives: "FalsePositives | None" = None

    @classmethod
    def of(cls, bundle: Bundle, options: RuntimeOptions) -> "OperatingPoint":
        """Return the operating point of a bundle under these options.

        Raises:
            OperatingPointError: the bundle lacks the mode or cannot show the false-positive rate.
            BundleIntegrityError: ``max_fpr`` is given and the validation scores are missing or damaged.
        """
        manifest = bundle.manifest
        labels = (manifest.negative_label, manifest.positive_label)
        if options.unsure:
            low, high = (_threshold(manifest, mode) for mode in (HIGH_RECALL, LOW_FALSE_POSITIVE))
            return cls(labels=(*labels, UNSURE), threshold=high, unsure_from=low)
        if options.max_fpr is not None:
            threshold, false_positives = _at_rate(bundle, options.max_fpr, options)
            return cls(labels=labels, threshold=threshold, false_positives=false_positives)
        if options.threshold is not None:
            return cls(labels=labels, threshold=options.threshold)
        mode = manifest.default_mode if options.mode is None else options.mode
        return cls(labels=labels, threshold=_threshold(manifest, mode), mode=mode)

    @property
    def boundaries(self) -> list[float]:
        """The scores at which the label changes."""
        return [self.threshold] if self.unsure_from is None else [self.unsure_from, self.threshold]

    def label(self, score: float) -> str:
        """Return the label of a score."""
        if score >= self.threshold:
            return self.labels[1]
        unsure = self.unsure_from is not None and score >= self.unsure_from
        return UNSURE if unsure else self.labels[0]


def _at_rate(bundle: Bundle, rate: float, options: RuntimeOptions) -> "tuple[float, FalsePositives]":
    from spam_edge.bundle.validation import ValidationScores  # noqa: PLC0415 - modes need neither
    from spam_edge.decision.thresholds import FalsePositives, threshold_at_rate  # noqa: PLC0415

    scores = ValidationScores.read(bundle, verify=options.verify)
    threshold, false_positives = threshold_at_rate(scores, rate, unproven=options.max_fpr_unproven)
    if not false_positives.show(rate):  # an estimate must not be laxer than the default threshold
        threshold = max(threshold, bundle.manifest.threshold)
        false_positives = FalsePositives.at(threshold, scores.ham)
    return threshold, false_positives


def _threshold(manifest: Manifest, mode: str) -> float:
    if mode not in manifest.thresholds:
        raise OperatingPointError(
            f"the bundle has no mode {mode!r}, only {', '.join(manifest.thresholds)}; choose one of these, or export "
            "the bundle again"
        )
    return manifest.thresholds[mode]
