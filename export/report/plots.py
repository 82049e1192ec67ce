"""Plot the precision-recall curve and the score histogram of the model card."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

_HAM, _SPAM, _LINE = "#4c78a8", "#e45756", "#555555"


def draw_evaluation(
    path: Path,
    scores: NDArray[np.float32],
    is_positive: NDArray[np.int64],
    *,
    threshold: float,
    labels: tuple[str, str],
) -> None:
    """Draw the precision-recall curve with the shipped threshold, and a score histogram by class.

    Args:
        path: PNG to write.
        scores: shape (messages,), calibrated probability of the positive class.
        is_positive: shape (messages,), 1 for the positive class.
        threshold: the shipped threshold.
        labels: names of the negative and the positive class.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    curve, histogram = figure.subplots(1, 2)

    precision, recall, _ = precision_recall_curve(is_positive, scores)
    called = scores >= threshold
    hits = (called & (is_positive == 1)).sum()
    curve.step(recall, precision, where="post", color=_SPAM)
    curve.plot(hits / is_positive.sum(), hits / max(called.sum(), 1), "o", color=_LINE, label="shipped threshold")
    curve.set(xlabel="recall", ylabel="precision", xlim=(0.5, 1.01), ylim=(0.5, 1.01), title="Precision and recall")
    curve.legend(loc="lower left")

    bins = np.linspace(0, 1, 41).tolist()
    histogram.hist(scores[is_positive == 0], bins, color=_HAM, alpha=0.7, label=labels[0])
    histogram.hist(scores[is_positive == 1], bins, color=_SPAM, alpha=0.7, label=labels[1])
    histogram.axvline(threshold, color=_LINE, linestyle="--", label=f"threshold {threshold:.2f}")
    histogram.set(xlabel="score", ylabel="messages", yscale="log", title=f"Scores of {len(scores)} test messages")
    histogram.legend(loc="upper center")

    for axes in (curve, histogram):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.2)
    figure.savefig(path, dpi=110)
