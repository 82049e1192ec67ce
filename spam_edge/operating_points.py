"""Where scores become labels: the modes of a bundle, a rate of false alarms, or a threshold of one's own."""

from dataclasses import dataclass

from spam_edge.bundle import Bundle
from spam_edge.errors import OperatingPointError
from spam_edge.manifest import Manifest
from spam_edge.session import RuntimeOptions
from spam_edge.thresholds import FalseAlarms, threshold_at_rate
from spam_edge.validation import ValidationScores

BALANCED = "balanced"
LOW_FALSE_POSITIVE = "low-false-positive"
HIGH_RECALL = "high-recall"
MODES = (LOW_FALSE_POSITIVE, BALANCED, HIGH_RECALL)
"""From the highest threshold to the lowest."""
UNSURE = "UNSURE"
"""The label of scores that are too high for the one class and too low for the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """What a score is called.

    Attributes:
        labels: the negative and the positive one, and ``UNSURE`` where that may occur.
        threshold: lowest score that is called positive.
        unsure_from: lowest score that is called ``UNSURE``; None where none is.
        mode: the mode of the bundle that this is; None where it is none of them.
        false_alarms: what was counted on validation; None unless a rate was asked for.
    """

    labels: tuple[str, ...]
    threshold: float
    unsure_from: float | None = None
    mode: str | None = None
    false_alarms: FalseAlarms | None = None

    @classmethod
    def of(cls, bundle: Bundle, options: RuntimeOptions) -> "OperatingPoint":
        """Return what a bundle decides with under these options.

        Raises:
            OperatingPointError: the bundle does not have the mode, or cannot show the rate.
            BundleIntegrityError: the validation scores, which a rate is kept to with, are missing or damaged.
        """
        manifest = bundle.manifest
        labels = (manifest.negative_label, manifest.positive_label)
        if options.unsure:
            low, high = (_threshold(manifest, mode) for mode in (HIGH_RECALL, LOW_FALSE_POSITIVE))
            return cls(labels=(*labels, UNSURE), threshold=high, unsure_from=low)
        if options.max_fpr is not None:
            scores = ValidationScores.read(bundle, verify=options.verify)
            threshold, alarms = threshold_at_rate(scores, options.max_fpr, unproven=options.max_fpr_unproven)
            if not alarms.show(options.max_fpr):  # whoever insists on few false alarms gets no more than by default
                threshold = max(threshold, manifest.threshold)
                alarms = FalseAlarms.at(threshold, scores.ham)
            return cls(labels=labels, threshold=threshold, false_alarms=alarms)
        if options.threshold is not None:
            return cls(labels=labels, threshold=options.threshold)
        mode = manifest.default_mode if options.mode is None else options.mode
        return cls(labels=labels, threshold=_threshold(manifest, mode), mode=mode)

    @property
    def boundaries(self) -> list[float]:
        """The scores at which the label changes."""
        return [self.threshold] if self.unsure_from is None else [self.unsure_from, self.threshold]

    def label(self, score: float) -> str:
        """Name a score."""
        if score >= self.threshold:
            return self.labels[1]
        unsure = self.unsure_from is not None and score >= self.unsure_from
        return UNSURE if unsure else self.labels[0]


def _threshold(manifest: Manifest, mode: str) -> float:
    if mode not in manifest.thresholds:
        raise OperatingPointError(
            f"this bundle has no mode {mode!r}; it has {', '.join(manifest.thresholds)}; name one of these, or export "
            "the bundle again"
        )
    return manifest.thresholds[mode]
