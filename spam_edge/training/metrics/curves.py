"""Loss and metric curves of a run, as a PNG."""

import io
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

_METRICS = {
    "pr_auc": ("PR-AUC", "#4477aa"),
    "f1": ("F1 of SPAM", "#228833"),
    "recall_at_fpr_0.5pct": ("recall at 0.5 % false positives", "#aa3377"),
    "recall_at_fpr_0.1pct": ("recall at 0.1 % false positives", "#ee6677"),
}
"""Metric -> (name, colour). The colours are Paul Tol's bright scheme, which is safe for colour-blind readers."""
_TRAIN, _TRAIN_MEAN, _VALIDATION = "#dddddd", "#888888", "#4477aa"


def draw_curves(
    epochs: Sequence[Mapping[str, float]], losses: Sequence[tuple[float, float]], best_epoch: float, title: str
) -> bytes:
    """Plot loss (left) and validation metrics (right) over the epochs and return the PNG.

    Args:
        epochs: per-epoch metrics as in :class:`spam_edge.training.fit.Fitted`.
        losses: (fractional epoch, training loss).
        best_epoch: the selected epoch.
        title: figure title.
    """
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    _draw_losses(left, epochs, losses)
    _draw_metrics(right, epochs, best_epoch)
    for axes in (left, right):
        axes.axvline(best_epoch, color="#444444", linewidth=1, linestyle=":", zorder=0)
        axes.set_xlabel("epoch (dotted line: selected)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y", color="#eeeeee")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, -0.15), ncols=2)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()


def _draw_losses(axes: Axes, epochs: Sequence[Mapping[str, float]], losses: Sequence[tuple[float, float]]) -> None:
    numbers = [entry["epoch"] for entry in epochs]
    axes.plot(*zip(*losses, strict=True), color=_TRAIN, linewidth=1.5, label="training")
    middles = [number - 0.5 for number in numbers]
    axes.plot(
        middles, [entry["train_loss"] for entry in epochs], "o--", color=_TRAIN_MEAN, label="training, epoch mean"
    )
    axes.plot(numbers, [entry["loss"] for entry in epochs], "o-", color=_VALIDATION, label="validation")
    axes.set_title("Cross-entropy (log scale)", loc="left", fontsize=10)
    axes.set_yscale("log")
    axes.set_xlim(0, max(numbers) + 0.1)


def _draw_metrics(axes: Axes, epochs: Sequence[Mapping[str, float]], best_epoch: float) -> None:
    numbers = [entry["epoch"] for entry in epochs]
    best = next(entry for entry in epochs if entry["epoch"] == best_epoch)
    for key, (name, colour) in _METRICS.items():
        axes.plot(numbers, [entry[key] for entry in epochs], "o-", color=colour, label=f"{name}: {best[key]:.1%}")
    n = f"{best['n']:.0f} messages, {best['n_spam']:.0f} spam"
    axes.set_title(f"Validation split ({n})", loc="left", fontsize=10)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_locator(MaxNLocator(integer=False, nbins=6, steps=[1, 2, 5, 10], min_n_ticks=3))
    axes.set_xlim(min(numbers) - 0.1, max(numbers) + 0.1)
