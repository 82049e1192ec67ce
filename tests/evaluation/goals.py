"""Compare the figures of an evaluation with the goals."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.evaluation.evasion import LEVEL, TARGET
from tests.evaluation.extras import NOTICES, SPAM
from tests.evaluation.report.document import OURS

_SCORES = {
    "f1": ("spam F1", 0.945),
    "pr_auc": ("PR-AUC", 0.982),
    "recall_at_fpr_0.5pct": ("recall at 0.5 % FPR", 0.94),
}
_ECE = 0.01
_UNDONE = ("E1", "E2", "E3", "E4", "E5", "E9")
_MAY_LOSE = 0.005
_OTHERS = {
    **dict.fromkeys(("E6", "E7", "E8", "E10", "E11", "E13"), 0.93),
    **dict.fromkeys(("E12", "E15"), 0.90),
    "E14": 0.88,
}
_NOTICES = {"false_positive_rate": 0.01, "recall": 0.95}
_CONTROLS = 0.02
_FILES = {
    NOTICES: ("files of notices: mean false-positive rate", "<=", 0.02),
    SPAM: ("files of spam: mean recall", ">=", 0.93),
}
_MODE = "balanced"


def goals(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return all goals with their measured values.

    The corpus has one vote per cluster. Disguises are those of medium level on keywords. The goal for a disguise of the
    notices is the lower end of the interval that the same messages have undisguised.
    """
    today = evaluation["today"]
    return [
        *_of_scores(evaluation),
        *_of_disguises(evaluation["evasion"]),
        *(_of_notices(today["notices"]) if "notices" in today else ()),
        *_of_controls(today["controls"]),
        *_of_files(today["means"]),
    ]


def _of_scores(evaluation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    measured = evaluation["systems"][OURS]["by_cluster"]
    for key, (name, least) in _SCORES.items():
        yield _at_least(name, least, measured[key])
    yield _at_most("calibration error (ECE)", _ECE, evaluation["calibration"]["ece"])


def _of_disguises(evasion: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for entry in evasion:
        if (entry["level"], entry["target"]) == (LEVEL, TARGET) and entry["recall"]:
            name = f"{entry['attack']} {entry['title']}"
            if entry["attack"] in _UNDONE:
                yield _at_least(name, entry["clean_recall"] - _MAY_LOSE, entry["recall"])
            elif entry["attack"] in _OTHERS:
                yield _at_least(name, _OTHERS[entry["attack"]], entry["recall"])


def _of_notices(notices: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    measured = notices["modes"][_MODE]
    yield _at_most("notices: false-positive rate", _NOTICES["false_positive_rate"], measured["false_positive_rate"])
    yield _at_least("notices: recall", _NOTICES["recall"], measured["recall"])
    yield _at_most("notices: calibration error (ECE)", _ECE, notices["calibration"]["ece"])
    for entry in notices["evasion"]:
        if entry["attack"] in (*_UNDONE, *_OTHERS) and entry["recall"]:
            yield _at_least(f"notices: {entry['attack']} {entry['title']}", entry["clean_low"], entry["recall"])


def _of_controls(controls: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for entry in controls:
        yield _at_most(f"{entry['id']} {entry['title']}: false-positive rate", _CONTROLS, entry["false_positive_rate"])


def _of_files(means: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the goals for means over files. Each file has one vote, so these means have no interval."""
    for kind, (name, sign, limit) in _FILES.items():
        if kind in means:
            mean = means[kind]["modes"][_MODE]
            met = mean <= limit if sign == "<=" else mean >= limit
            yield _goal(name, sign, limit, mean, f"{mean:.4f} over {means[kind]['files']} files", met=met)


def _at_least(name: str, least: float, rate: Mapping[str, float]) -> dict[str, Any]:
    return _goal(name, ">=", least, rate["value"], _text(rate), met=rate["value"] >= least)


def _at_most(name: str, most: float, rate: Mapping[str, float]) -> dict[str, Any]:
    return _goal(name, "<=", most, rate["value"], _text(rate), met=rate["value"] <= most)


def _text(rate: Mapping[str, float]) -> str:
    return f"{rate['value']:.4f} [{rate['low']:.4f}, {rate['high']:.4f}]"


def _goal(name: str, sign: str, limit: float, value: float, text: str, *, met: bool) -> dict[str, Any]:
    return {"name": name, "goal": f"{sign} {limit:.3g}", "value": value, "text": text, "met": met}
