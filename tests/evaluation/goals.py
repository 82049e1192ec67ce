"""What the model is meant to reach, and whether it does."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.evaluation.report.document import BASELINE, OURS

_SCORES = {
    "recall_at_fpr_0.1pct": ("recall at 0.1 % false positives", 0.94),
    "recall_at_fpr_0.5pct": ("recall at 0.5 % false positives", 0.97),
    "f1": ("spam F1", 0.965),
    "mcc": ("MCC", 0.96),
    "pr_auc": ("PR-AUC", 0.990),
}
_ECE = 0.008
_UNDONE = ("E1", "E2", "E3", "E4", "E5", "E9")
_MAY_LOSE = 0.005
_OTHERS = {
    **dict.fromkeys(("E6", "E7", "E8", "E10", "E11", "E13"), 0.93),
    **dict.fromkeys(("E12", "E15"), 0.90),
    "E14": 0.88,
}
_FALSE_ALARMS = 0.005
_LEVEL, _TARGET = "medium", "keywords"


def goals(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return every goal with what was measured, one vote per cluster; disguises at medium level, on keywords."""
    return [*_of_scores(evaluation), *_of_disguises(evaluation), *_of_controls(evaluation), *_of_baseline(evaluation)]


def _of_scores(evaluation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    measured = evaluation["systems"][OURS]["by_cluster"]
    for key, (name, least) in _SCORES.items():
        yield _goal(name, f">= {least:g}", measured[key], measured[key]["value"] >= least)
    ece = evaluation["calibration"]["ece"]
    yield _goal("calibration error (ECE)", f"<= {_ECE:g}", ece, ece["value"] <= _ECE)


def _of_disguises(evaluation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in evaluation["evasion"]:
        if (entry["level"], entry["target"]) != (_LEVEL, _TARGET) or not entry["recall"]:
            continue
        attack, recall = entry["attack"], entry["recall"]
        if attack in _UNDONE:
            least = entry["clean_recall"] - _MAY_LOSE
            yield _goal(f"{attack} {entry['title']}", f">= {least:.3f}", recall, recall["value"] >= least)
        elif attack in _OTHERS:
            yield _goal(
                f"{attack} {entry['title']}", f">= {_OTHERS[attack]:g}", recall, recall["value"] >= _OTHERS[attack]
            )


def _of_controls(evaluation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in evaluation["controls"]:
        rate = entry["false_positive_rate"]
        name = f"{entry['id']} {entry['title']}: false positives"
        yield _goal(name, f"<= {_FALSE_ALARMS:g}", rate, rate["value"] <= _FALSE_ALARMS)


def _of_baseline(evaluation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    title = evaluation["systems"][BASELINE]["title"]
    for key, (name, _) in _SCORES.items():
        difference = evaluation["paired"][BASELINE][key]
        yield _goal(f"{name}: better than {title}, by more than the interval", "> 0", difference, difference["low"] > 0)


def _goal(name: str, goal: str, rate: Mapping[str, float], met: bool) -> dict[str, Any]:
    text = f"{rate['value']:.4f} [{rate['low']:.4f}, {rate['high']:.4f}]"
    return {"name": name, "goal": goal, "value": rate["value"], "text": text, "met": met}
