"""Test that a goal is met if and only if the value reaches it."""

from typing import Any

import pytest

from tests.evaluation.goals import goals
from tests.evaluation.report.made_up import made_up_evaluation, rate


def goals_by_name(evaluation: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    return {goal["name"]: (goal["goal"], goal["met"]) for goal in goals(evaluation)}


def test_goals_cover_every_track() -> None:
    expected = {
        "spam F1": (">= 0.945", True),
        "PR-AUC": (">= 0.982", True),
        "recall at 0.5 % FPR": (">= 0.94", True),
        "calibration error (ECE)": ("<= 0.01", True),
        "notices: false-positive rate": ("<= 0.01", True),
        "notices: recall": (">= 0.95", True),
        "notices: calibration error (ECE)": ("<= 0.01", True),
        "notices: E1 homoglyphs": (">= 0.947", True),
        "notices: E7 spaced letters": (">= 0.947", False),
        "N3 chat in other scripts: false-positive rate": ("<= 0.02", True),
        "files of notices: mean false-positive rate": ("<= 0.02", True),
        "files of spam: mean recall": (">= 0.93", True),
    }
    assert goals_by_name(made_up_evaluation()).items() >= expected.items()


@pytest.mark.parametrize(
    ("key_path", "key", "value", "missed"),
    [
        (("systems", "spam_edge", "by_cluster"), "f1", 0.944, "spam F1"),
        (("systems", "spam_edge", "by_cluster"), "pr_auc", 0.981, "PR-AUC"),
        (("calibration",), "ece", 0.011, "calibration error (ECE)"),
        (("today", "notices", "calibration"), "ece", 0.011, "notices: calibration error (ECE)"),
        (("today", "notices", "modes", "balanced"), "false_positive_rate", 0.011, "notices: false-positive rate"),
        (("today", "notices", "modes", "balanced"), "recall", 0.949, "notices: recall"),
        (("today", "controls", 0), "false_positive_rate", 0.021, "N1 emoji: false-positive rate"),
    ],
)
def test_value_just_beyond_limit_misses_only_that_goal(
    key_path: tuple[Any, ...], key: str, value: float, missed: str
) -> None:
    evaluation = made_up_evaluation()
    before = goals_by_name(evaluation)
    holder = evaluation
    for step in key_path:
        holder = holder[step]
    holder[key] = rate(value)
    after = goals_by_name(evaluation)
    assert before[missed][1]
    assert {name for name, goal in after.items() if goal != before[name]} == {missed}


@pytest.mark.parametrize(
    ("kind", "mean", "missed"),
    [("notices", 0.021, "files of notices: mean false-positive rate"), ("spam", 0.929, "files of spam: mean recall")],
)
def test_mean_over_files_beyond_limit_misses_goal(kind: str, mean: float, missed: str) -> None:
    evaluation = made_up_evaluation()
    evaluation["today"]["means"][kind]["modes"]["balanced"] = mean
    assert not goals_by_name(evaluation)[missed][1]


def test_corpus_disguises_have_attack_specific_goals() -> None:
    evaluation = made_up_evaluation()
    for entry in evaluation["evasion"]:
        entry["level"], entry["target"] = "medium", "keywords"
        entry["recall"] = rate(entry["clean_recall"] - (0.004 if entry["attack"] == "E1" else 0.1))
    met = goals_by_name(evaluation)
    assert met["E1 homoglyphs"] == (">= 0.939", True)
    assert met["E2 invisible characters"] == (">= 0.939", False)
    assert met["E6 leet"] == (">= 0.93", False)
    assert met["E14 good-word padding"] == (">= 0.88", False)


def test_unmeasured_figures_have_no_goal() -> None:
    evaluation = made_up_evaluation()
    evaluation["today"] = {"controls": [], "files": [], "means": {}}
    assert not any(name.startswith(("notices", "files", "N")) for name in goals_by_name(evaluation))
