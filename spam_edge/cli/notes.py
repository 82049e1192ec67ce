"""Notes on the measured quality of a requested threshold."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from spam_edge.decision.intervals import rate_text, tries_needed

if TYPE_CHECKING:
    from spam_edge.bundle.manifest import Manifest
    from spam_edge.decision.operating_points import OperatingPoint
    from spam_edge.decision.thresholds import FalsePositives


def notes(point: "OperatingPoint", manifest: "Manifest", *, mode: str | None, max_fpr: float | None) -> Iterator[str]:
    """Yield one line for each option that set the threshold and has figures to report.

    Args:
        point: operating point that the options resolved to.
        manifest: manifest of the bundle.
        mode: requested mode.
        max_fpr: requested false-positive rate.
    """
    if point.false_positives is not None and max_fpr is not None:
        yield f"--max-fpr {max_fpr:g}: {'; '.join(_of_rate(point, point.false_positives, max_fpr, manifest))}"
    if mode is not None and (said := list(_of_mode(mode, manifest))):
        yield f"--mode {mode}: {'; '.join(said)}"
    if point.unsure_from is not None:
        yield f"--unsure: {_of_band(point, manifest)}"


def _of_rate(
    point: "OperatingPoint", false_positives: "FalsePositives", max_fpr: float, manifest: "Manifest"
) -> Iterator[str]:
    shown = false_positives.highest_rate
    yield f"threshold {point.threshold:.6g}"
    reached = f"{false_positives.count:,} of {false_positives.n:,} validation ham reach it"
    yield f"{reached}, which shows a rate of at most {shown:.2%} with 95 % confidence"
    if not false_positives.show(max_fpr):
        needed = tries_needed(max_fpr)
        wanted = "no number of ham can show" if needed is None else f"{needed:,} ham would show"
        yield f"the threshold is an estimate: {wanted} {max_fpr:g}"
    if point.threshold < manifest.threshold:
        yield f"below the threshold of {manifest.default_mode}, {manifest.threshold:.6g}"


def _of_mode(mode: str, manifest: "Manifest") -> Iterator[str]:
    if same := manifest.same_as(mode):
        yield f"the same threshold as {same}"
    if mode == manifest.default_mode:
        return
    tracks = {"test split's ham": manifest.metrics, "harmless notices": manifest.metrics.get("today", {})}
    for of_what, metrics in tracks.items():
        measured = metrics.get("modes", {}).get(mode, {})
        if "false_positive_rate" in measured:
            yield f"calls {rate_text(measured['false_positive_rate'])} of the {of_what} {manifest.positive_label}"


def _of_band(point: "OperatingPoint", manifest: "Manifest") -> str:
    if point.unsure_from == point.threshold:
        return "no score is UNSURE: high-recall and low-false-positive have the same threshold in this bundle"
    measured = manifest.metrics.get("unsure", {})
    if said := [f"{rate_text(measured[name])} of the {name}" for name in ("ham", "spam") if name in measured]:
        return f"UNSURE in the test split: {', '.join(said)}"
    return "the share of UNSURE messages was not measured when this bundle was exported"
