"""Goals and adjudicated errors say what the figures say."""

from typing import Any

import numpy as np
import pytest

from tests.evaluation.errors import AMBIGUOUS, MISLABELLED, WRONG, errors, read_verdicts
from tests.evaluation.goals import goals
from tests.evaluation.report.made_up import made_up_evaluation, rate
from tests.evaluation.summary import OutOfFold


def fold(texts: list[str], is_spam: list[bool], scores: list[float]) -> dict[str, Any]:
    called = [score >= 0.5 for score in scores]
    systems = ("spam_edge", "pytorch", "char_svm")
    return {
        "texts": texts,
        "is_spam": is_spam,
        "clusters": list(range(len(texts))),
        "scores": dict.fromkeys(systems, scores),
        "calls": dict.fromkeys(systems, called),
        "thresholds": {"balanced": 0.5},
    }


def test_every_committed_verdict_is_one_of_three_with_a_reason() -> None:
    verdicts = read_verdicts()
    assert len(verdicts) > 0
    assert {row["verdict"] for row in verdicts.values()} <= {WRONG, MISLABELLED, AMBIGUOUS}
    assert all(row["note"] and row["label"] in {"HAM", "SPAM"} for row in verdicts.values())


def test_mislabelled_errors_turn_and_ambiguous_ones_go() -> None:
    by_verdict = {row["verdict"]: text for text, row in read_verdicts().items() if row["label"] == "SPAM"}
    texts = [by_verdict[WRONG], by_verdict[MISLABELLED], by_verdict[AMBIGUOUS], "caught", "harmless"]
    found = errors(OutOfFold([fold(texts, [True, True, True, True, False], [0.1, 0.2, 0.3, 0.9, 0.0])], resamples=2))
    assert found["raw"]["recall"] == pytest.approx(1 / 4)
    assert found["raw"]["errors"] == 3
    assert found["adjudicated"]["recall"] == pytest.approx(1 / 2)
    assert (found["raw"]["recall_at_fpr_0.1pct"], found["adjudicated"]["recall_at_fpr_0.1pct"]) == (1, 1 / 2)
    assert [each["text"] for each in found["worst"]] == texts[:3]
    assert (found["adjudicated"][WRONG], found["adjudicated"]["unread"]) == (1, 0)


def test_unread_errors_are_counted_as_such() -> None:
    found = errors(OutOfFold([fold(["nobody read this", "b"], [True, False], [0.1, 0.0])], resamples=2))
    assert found["adjudicated"]["unread"] == 1


def test_goals_are_met_by_what_reaches_them() -> None:
    evaluation = made_up_evaluation()
    evaluation["paired"] = {"char_svm": {key: rate(0.1) for key in evaluation["systems"]["spam_edge"]["by_cluster"]}}
    for entry in evaluation["evasion"]:
        entry["level"], entry["target"] = "medium", "keywords"
        entry["recall"] = rate(entry["clean_recall"] - (0.004 if entry["attack"] == "E1" else 0.1))
    met = {goal["name"].split(" ")[0]: goal["met"] for goal in goals(evaluation) if goal["name"].startswith("E")}
    assert met["E1"]
    assert not met["E2"]
    recall = next(goal for goal in goals(evaluation) if goal["name"] == "recall at 0.1 % false positives")
    assert recall["met"] == (evaluation["systems"]["spam_edge"]["by_cluster"]["recall_at_fpr_0.1pct"]["value"] >= 0.94)
    assert np.isfinite(recall["value"])
