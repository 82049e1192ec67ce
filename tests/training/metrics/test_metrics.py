from pathlib import Path

import evaluate
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.training.metrics import metric
from spam_edge.training.metrics.metric import SpamMetric, recall_at_fpr, spam_metrics

# 6 ham and 4 spam; at 0.5: 3 true positives, 1 false positive, 1 false negative, 5 true negatives.
SCORES = [0.9, 0.8, 0.7, 0.3, 0.75, 0.4, 0.2, 0.1, 0.05, 0.01]
IS_SPAM = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]


def test_metrics_match_hand_computed_values(tmp_path: Path) -> None:
    loaded = SpamMetric(keep_in_memory=True, cache_dir=str(tmp_path))
    assert loaded.compute(predictions=SCORES, references=IS_SPAM) == pytest.approx(
        {
            "accuracy": 8 / 10,
            "precision": 3 / 4,
            "recall": 3 / 4,
            "f1": 3 / 4,
            "mcc": (3 * 5 - 1 * 1) / (4 * 4 * 6 * 6) ** 0.5,
            # Precision at each spam message in descending order of score: 1/1, 2/2, 3/4, 4/6.
            "pr_auc": (1 + 1 + 3 / 4 + 4 / 6) / 4,
            "recall_at_fpr_0.1pct": 2 / 4,  # no ham may pass 0.75
            "recall_at_fpr_0.5pct": 2 / 4,
            "n": 10,
            "n_spam": 4,
            "n_ham": 6,
        }
    )


def test_score_equal_to_threshold_counts_as_spam() -> None:
    metrics = spam_metrics(np.array(SCORES), np.array(IS_SPAM), threshold=0.3)
    assert (metrics["recall"], metrics["precision"]) == (1.0, 4 / 6)


def test_evaluate_loads_metric_file_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluate.config.HF_MODULES_CACHE", str(tmp_path))
    loaded = evaluate.load(metric.__file__, cache_dir=str(tmp_path), keep_in_memory=True)
    assert loaded.compute(predictions=SCORES, references=IS_SPAM, threshold=0.3)["recall"] == 1.0


def test_metrics_are_zero_without_spam_predictions() -> None:
    metrics = spam_metrics(np.array([0.1, 0.2]), np.array([1, 0]))
    assert (metrics["precision"], metrics["recall"], metrics["f1"], metrics["mcc"]) == (0, 0, 0, 0)


@pytest.mark.parametrize(("allowed", "recall"), [(0, 0.5), (1, 0.6), (2, 0.7), (5, 1.0)])
def test_recall_at_fpr_allows_exact_number_of_false_positives(allowed: int, recall: float) -> None:
    """With 1,000 ham, k - 1 false positives allow all thresholds above the k-th highest ham score."""
    spam = [0.99] * 5 + [0.95, 0.85, 0.55, 0.54, 0.53]
    ham = [0.97, 0.90, 0.80, 0.60, 0.58] + [0.1] * 995
    scores, is_spam = np.array(spam + ham), np.array([1] * len(spam) + [0] * len(ham))
    assert recall_at_fpr(scores, is_spam, allowed / 1000) == recall


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=30),
    st.lists(st.integers(0, 20), min_size=1, max_size=30),
    st.sampled_from([0.0, 0.001, 0.05, 0.5, 1.0]),
)
def test_recall_at_fpr_equals_brute_force_over_thresholds(spam: list[int], ham: list[int], rate: float) -> None:
    thresholds = [*range(22)]
    expected = max(
        sum(score >= t for score in spam) / len(spam)
        for t in thresholds
        if sum(score >= t for score in ham) <= rate * len(ham)
    )
    scores, is_spam = np.array(spam + ham, dtype=float), np.array([1] * len(spam) + [0] * len(ham))
    assert recall_at_fpr(scores, is_spam, rate) == pytest.approx(expected)
