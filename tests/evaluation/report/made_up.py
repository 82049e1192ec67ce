"""A made-up evaluation with every section, for tests. None of its figures was measured."""

import copy
from functools import cache
from typing import Any

from tests.evaluation.report.made_up_today import made_up_today

HOSTILE = "<script>alert('free')</script> & \u202ezzz\u200b call\n0900"
ATTACKS = (("E1", "homoglyphs"), ("E2", "invisible characters"), ("E6", "leet"), ("E14", "good-word padding"))
MODES = {"balanced": (0.5, 0.94), "low-false-positive": (0.9, 0.9), "high-recall": (0.2, 0.97)}


def rate(value: float, n: int = 400) -> dict[str, float | int]:
    return {"value": value, "low": max(-1.0, value - 0.03), "high": min(1.0, value + 0.02), "n": n}


def metrics(shift: float, *, n_spam: int = 422) -> dict[str, Any]:
    values = {
        "recall_at_fpr_0.1pct": 0.91, "recall_at_fpr_0.5pct": 0.95, "pr_auc": 0.983, "f1": 0.952, "mcc": 0.948,
        "accuracy": 0.992, "precision": 0.968, "recall": 0.937, "roc_auc_below_1pct": 0.961,
        "precision_at_1pct_prevalence": 0.7, "precision_at_13pct_prevalence": 0.97,
    }  # fmt: skip
    counts = {"n": 4384 + n_spam, "n_ham": 4384, "n_spam": n_spam}
    return counts | {key: rate(value - shift, n_spam) for key, value in values.items()}


def evasion() -> list[dict[str, Any]]:
    return [
        {
            "attack": attack,
            "title": title,
            "level": level,
            "target": target,
            "recall": rate(0.93 - loss - 0.05 * place, 410),
            "clean_recall": 0.944,
            "clean_low": 0.917,
            "baseline": None if attack == "E14" else rate(0.6 - loss, 410),
            "seen_in_training": attack != "E6",
            "changed": 401,
        }
        for level, loss in (("medium", 0.03), ("heavy", 0.2))
        for target in ("keywords", "random words")
        for place, (attack, title) in enumerate(ATTACKS)
    ]


def made_up_evaluation() -> dict[str, Any]:
    """Return an evaluation with every key of the schema, which the caller may change."""
    return copy.deepcopy(_evaluation())


@cache
def _evaluation() -> dict[str, Any]:
    titles = {"spam_edge": "spam-edge, int8 as shipped", "char_svm": "char SVM", "word_lr": "word logistic regression"}
    recalls = [step / 100 for step in range(101)]
    return {
        "schema_version": 2,
        "created": "2026-11-25T03:00:00Z",
        "command": "make evaluate",
        "git_commit": "0123abc",
        "quick": False,
        "machine": "Made-up EPYC, 2 threads",
        "versions": {"onnxruntime": "1.32.0", "numpy": "2.4.6"},
        "seconds": 3210,
        "settings": {"folds": 5, "seeds": [0, 1, 2], "resamples": 2000},
        "normalizer_version": "1",
        "corpus": {
            "name": "SMS Spam Collection", "fingerprint": "ab12", "rows": 5574, "clusters": 4806,
            "ham_clusters": 4384, "spam_clusters": 422,
        },
        "systems": {
            name: {"title": title, "by_cluster": metrics(0.03 * place), "by_row": metrics(0.02 * place, n_spam=747)}
            for place, (name, title) in enumerate(titles.items())
        },
        "paired": {"char_svm": {"recall_at_fpr_0.1pct": {"value": 0.03, "low": 0.005, "high": 0.058, "n": 422}}},
        "leaky": {"title": "random 80/20 split", "metrics": metrics(-0.007)},
        "seeds": {"recall_at_fpr_0.1pct": {"mean": 0.909, "sd": 0.011, "values": [0.9, 0.906, 0.921]}},
        "calibration": {
            "temperature": [1.1, 1.2, 1.15, 1.3, 1.1],
            "ece": rate(0.0041, 4806),
            "brier": rate(0.0078, 4806),
            "nll": rate(0.031, 4806),
            "bins": [{"score": (0.02 * step) ** 2 * 12, "spam": min(1.0, 0.06 * step), "n": 60} for step in range(15)],
        },
        "curve": {"recall": recalls, "precision": [1 - 0.3 * each**20 for each in recalls]},
        "baseline_curve": {"recall": recalls, "precision": [1 - 0.5 * each**12 for each in recalls]},
        "histogram": {
            "edges": [0.0, 0.2, 0.4, 0.6, 0.8, 1.0], "ham": [4340, 20, 9, 10, 5], "spam": [9, 8, 6, 24, 375],
        },
        "modes": {
            name: {
                "threshold": [threshold - 0.01, threshold],
                "precision": rate(0.985 - 0.03 * place, 410),
                "recall": rate(recall, 422),
                "false_positive_rate": {"value": 0.0009, "low": 0.0004, "high": 0.0023, "n": 4384},
                "confusion": {"tp": 400, "fp": 4, "fn": 22, "tn": 4380},
            }
            for place, (name, (threshold, recall)) in enumerate(MODES.items())
        },
        "evasion": evasion(),
        "today": made_up_today(),
        "quantisation": {"max_abs_dp": 0.0062, "mean_abs_dp": 0.00004, "flips": 0, "n": 4806, "recall_change": 0.0},
        "size_and_speed": {"bytes": {"int8": 27_200_000, "fp32": 91_000_000}, "messages_per_second": 1147.2},
        "errors": {
            "raw": {"false_positives": 4, "false_negatives": 22},
            "adjudicated": {"false_positives": 2, "false_negatives": 15},
            "worst": [
                {
                    "text": HOSTILE if number == 0 else f"made-up message {number}", "label": "HAM", "score": 0.987,
                    "threshold": 0.5, "verdict": "mislabelled", "note": "an <b>advertisement</b>",
                }
                for number in range(15)
            ],
        },
        "goals": [
            {"name": "recall at 0.1 % false positives", "goal": ">= 0.94", "value": 0.91, "text": "0.910 [0.88, 0.93]",
             "met": False},
            {"name": "E1 homoglyphs, recall", "goal": ">= 0.9", "value": 0.9, "text": "0.90 [0.87, 0.92]", "met": True},
            {"name": "adaptive attack", "goal": ">= 0.5", "value": None, "text": None, "met": None},
        ],
    }  # fmt: skip
