"""First tables of the model card: both tracks, kinds of notices, harmless controls."""

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from export.report.markdown import table
from spam_edge.bundle.manifest import Manifest
from spam_edge.decision.intervals import counted, rate_text
from spam_edge.training.data.notices import MARKETING

FEW = 5
"""Kinds with fewer test messages are pooled."""
_SIDES = {"false_positive_rate": "false-positive rate", "recall": "spam recall"}
_TODAY = """

Papers and earlier bundles are measured on the messages of the corpus. *Today* is the notices of the test split: none is
a near duplicate of a training message, or the genuine message that a training fraud imitates, or the reverse."""
_KINDS = "Kinds of notices; those with fewer than {few} test messages are pooled."
_MARKETING = """

Of advertising to a company's own customers, `marketing`, {rate} is called SPAM. Whether that is an error is up
to the receiver; it counts in none of the figures above."""


def tracks(manifest: Manifest, corpus: str) -> str:
    """Return a table of false positives and recall on both tracks.

    Args:
        manifest: with ``metrics``.
        corpus: column title of the corpus.
    """
    metrics = manifest.metrics
    measured = {corpus: metrics["modes"][manifest.default_mode]}
    if "today" in metrics:
        measured["today"] = metrics["today"]
    rows = [
        [title, *(rate_text(rates[name]) if name in rates else "" for rates in measured.values())]
        for name, title in _SIDES.items()
    ]
    return table(["", *measured], rows) + (_TODAY if "today" in metrics else "")


def kinds(manifest: Manifest) -> str:
    """Return a table of the kinds of notices, ham beside spam; empty without notices."""
    today = manifest.metrics.get("today")
    if today is None:
        return ""
    sides = [_kinds(today["by_kind"], side) for side in _SIDES]
    rows = [[*ham, *spam] for ham, spam in zip_longest(*sides, fillvalue=("", ""))]
    marketing = _MARKETING.format(rate=rate_text(today[MARKETING])) if MARKETING in today else ""
    header = ["ham", _SIDES["false_positive_rate"], "spam", _SIDES["recall"]]
    return f"{_KINDS.format(few=FEW)}\n\n{table(header, rows)}{marketing}"


def controls(manifest: Manifest) -> str:
    """Return a table of the harmless controls."""
    rows = [[f"{name} {found['title']}", rate_text(found)] for name, found in manifest.metrics["controls"].items()]
    return table(["harmless controls", _SIDES["false_positive_rate"]], rows)


def _kinds(by_kind: Mapping[str, Mapping[str, Any]], side: str) -> list[tuple[str, str]]:
    """Return the kinds with messages on a side, largest first, with the small ones pooled."""
    rates = {kind: found[side] for kind, found in by_kind.items() if side in found}
    shown = {kind: rate for kind, rate in rates.items() if rate["n"] >= FEW}
    rows = [(kind, rate_text(rate)) for kind, rate in sorted(shown.items(), key=lambda item: -item[1]["n"])]
    if few := [rate for kind, rate in rates.items() if kind not in shown]:
        pooled = counted(*(sum(rate[name] for rate in few) for name in ("count", "n")))
        rows.append(("other", rate_text(pooled)))
    return rows
