"""Test the adjudication of errors."""

import pytest

from tests.evaluation.errors import AMBIGUOUS, MISLABELLED, WRONG, errors, read_verdicts
from tests.evaluation.folds import CORPUS
from tests.evaluation.tracks import Track


def scored(texts: list[str], is_spam: list[bool], scores: list[float]) -> Track:
    called = [score >= 0.5 for score in scores]
    systems = ("spam_edge", "pytorch", "char_svm")
    part = {
        "texts": texts,
        "kinds": [""] * len(texts),
        "is_spam": is_spam,
        "clusters": list(range(len(texts))),
        "scores": dict.fromkeys(systems, scores),
        "calls": dict.fromkeys(systems, called),
        "attacks": [],
    }
    return Track([{CORPUS: part, "thresholds": {"balanced": 0.5}}], CORPUS)


def test_every_committed_verdict_is_one_of_three_with_a_reason() -> None:
    verdicts = read_verdicts()
    assert len(verdicts) > 0
    assert {row["verdict"] for row in verdicts.values()} <= {WRONG, MISLABELLED, AMBIGUOUS}
    assert all(row["note"] and row["label"] in {"HAM", "SPAM"} for row in verdicts.values())


def test_mislabelled_errors_turn_and_ambiguous_ones_go() -> None:
    by_verdict = {row["verdict"]: text for text, row in read_verdicts().items() if row["label"] == "SPAM"}
    texts = [by_verdict[WRONG], by_verdict[MISLABELLED], by_verdict[AMBIGUOUS], "caught", "harmless"]
    found = errors(scored(texts, [True, True, True, True, False], [0.1, 0.2, 0.3, 0.9, 0.0]))
    assert found["raw"]["recall"] == pytest.approx(1 / 4)
    assert found["raw"]["errors"] == 3
    assert found["adjudicated"]["recall"] == pytest.approx(1 / 2)
    assert (found["raw"]["recall_at_fpr_0.1pct"], found["adjudicated"]["recall_at_fpr_0.1pct"]) == (1, 1 / 2)
    assert [each["text"] for each in found["worst"]] == texts[:3]
    assert (found["adjudicated"][WRONG], found["adjudicated"]["unread"]) == (1, 0)


def test_unread_errors_are_counted_as_such() -> None:
    found = errors(scored(["nobody read this", "b"], [True, False], [0.1, 0.0]))
    assert found["adjudicated"]["unread"] == 1
