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


def test_committed_verdicts_are_valid_and_have_reasons() -> None:
    verdicts = read_verdicts()
    assert len(verdicts) > 0
    assert {row["verdict"] for row in verdicts.values()} <= {WRONG, MISLABELLED, AMBIGUOUS}
    assert all(row["note"] and row["label"] in {"HAM", "SPAM"} for row in verdicts.values())


def test_adjudication_relabels_mislabelled_and_drops_ambiguous_errors() -> None:
    by_verdict = {row["verdict"]: text for text, row in read_verdicts().items() if row["label"] == "SPAM"}
    texts = [by_verdict[WRONG], by_verdict[MISLABELLED], by_verdict[AMBIGUOUS], "caught", "harmless"]
    summary = errors(scored(texts, [True, True, True, True, False], [0.1, 0.2, 0.3, 0.9, 0.0]))
    assert summary["raw"]["recall"] == pytest.approx(1 / 4)
    assert summary["raw"]["errors"] == 3
    assert summary["adjudicated"]["recall"] == pytest.approx(1 / 2)
    assert (summary["raw"]["recall_at_fpr_0.1pct"], summary["adjudicated"]["recall_at_fpr_0.1pct"]) == (1, 1 / 2)
    assert [each["text"] for each in summary["worst"]] == texts[:3]
    assert (summary["adjudicated"][WRONG], summary["adjudicated"]["unread"]) == (1, 0)


def test_errors_without_verdict_are_counted_as_unread() -> None:
    summary = errors(scored(["nobody read this", "b"], [True, False], [0.1, 0.0]))
    assert summary["adjudicated"]["unread"] == 1
