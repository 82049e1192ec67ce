"""What the model card says first: the two tracks side by side, the kinds of today, and the harmless controls."""

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from export.markdown import table
from spam_edge.intervals import counted
from spam_edge.manifest import Manifest
from spam_edge.reports import rate_text
from spam_edge.training.notices import MARKETING

FEW = 5
"""Kinds with fewer test messages are pooled."""
_SIDES = {"false_positive_rate": "false alarms", "recall": "spam recall"}
_TODAY = """

The messages of the corpus are what papers and earlier bundles are measured on. *Today* are the notices of the test
split: none is a near duplicate of what was trained on, nor the genuine message of a fraud that was, or the other way
round."""
_KINDS = "The kinds of today; those with fewer than {few} test messages are pooled."
_MARKETING = """

Of advertising to a company's own customers, `marketing`, {rate} is called SPAM. Whether that is an error is for the
receiver to say: it is in none of the figures above."""


def tracks(manifest: Manifest, corpus: str) -> str:
    """Return false alarms and recall on both tracks.

    Args:
        manifest: with ``metrics``.
        corpus: what the corpus is called.
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
    """Return a table of the kinds of today, ham beside spam; nothing where there are none."""
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
    """Return the kinds with messages on a side, those with the most first, and the rest as one."""
    rates = {kind: found[side] for kind, found in by_kind.items() if side in found}
    shown = {kind: rate for kind, rate in rates.items() if rate["n"] >= FEW}
    rows = [(kind, rate_text(rate)) for kind, rate in sorted(shown.items(), key=lambda item: -item[1]["n"])]
    if few := [rate for kind, rate in rates.items() if kind not in shown]:
        pooled = counted(*(sum(rate[name] for rate in few) for name in ("count", "n")))
        rows.append(("other", rate_text(pooled)))
    return rows
