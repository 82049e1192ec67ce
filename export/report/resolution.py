"""Describe which rates the validation split can support."""

from collections.abc import Mapping
from typing import Any

from export.thresholds import FALSE_POSITIVE_RATE, MAX_HAM_CALLED_SPAM, MAX_SPAM_MISSED, MISS_RATE
from spam_edge.bundle.validation import COLLECTION, ValidationScores
from spam_edge.decision.intervals import clopper_pearson, tries_needed
from spam_edge.decision.operating_points import BALANCED, HIGH_RECALL, LOW_FALSE_POSITIVE
from spam_edge.decision.thresholds import FalsePositives, errors_allowed, tail_threshold, threshold_for_rate


def resolution(scores: ValidationScores, thresholds: Mapping[str, float]) -> str:
    """Return a Markdown list: the validation votes, and the rates of the outer modes on validation."""
    lines = [_voters(scores), _strict(scores, thresholds), _lenient(scores, thresholds)]
    return "\n".join(f"- {line}." for line in lines)


def _voters(scores: ValidationScores) -> str:
    votes = [f"{counted['n']:,} {name}{_corpora(counted['kinds'])}" for name, counted in scores.votes().items()]
    return f"Validation: {' and '.join(votes)}, one message per near-duplicate cluster"


def _corpora(kinds: Mapping[str, Mapping[str, Any]]) -> str:
    notices = [entry["n"] for kind, entry in kinds.items() if kind != COLLECTION]
    if not notices:
        return ""
    collection = kinds[COLLECTION]["n"] if COLLECTION in kinds else 0
    return f" ({collection:,} of the collection, {sum(notices):,} notices of {len(notices)} kinds)"


def _strict(scores: ValidationScores, thresholds: Mapping[str, float]) -> str:
    threshold, wanted = thresholds[LOW_FALSE_POSITIVE], threshold_for_rate(scores, FALSE_POSITIVE_RATE)
    false_positives, aim = FalsePositives.at(threshold, scores.ham), f"{FALSE_POSITIVE_RATE:.1%}"
    named = f"`{LOW_FALSE_POSITIVE}` targets a false-positive rate of {aim}{_same(thresholds, LOW_FALSE_POSITIVE)}"
    highest = f"a rate of at most {false_positives.highest_rate:.2%} with 95 % confidence"
    parts = [f"{named}: {_reached(false_positives)}, {highest}"]
    if threshold < wanted:
        parts.append(f"a threshold for {aim} would miss more than {MAX_SPAM_MISSED:.0%} of the validation spam")
    elif not false_positives.show(FALSE_POSITIVE_RATE):
        estimated = "is estimated" if tail_threshold(scores.ham, FALSE_POSITIVE_RATE) else "cannot be estimated"
        parts.append(f"{aim} {estimated}; {tries_needed(FALSE_POSITIVE_RATE):,} ham would be needed to show it")
    return "; ".join([*parts, _missed(scores, threshold)])


def _lenient(scores: ValidationScores, thresholds: Mapping[str, float]) -> str:
    threshold = thresholds[HIGH_RECALL]
    false_positives, aim = FalsePositives.at(threshold, scores.ham), f"{MISS_RATE:.0%}"
    parts = [
        f"`{HIGH_RECALL}` targets a miss rate of {aim}{_same(thresholds, HIGH_RECALL)}: {_missed(scores, threshold)}"
    ]
    if (scores.spam < threshold).sum() > errors_allowed(MISS_RATE, len(scores.spam)):
        parts.append(f"a threshold for {aim} would call more than {MAX_HAM_CALLED_SPAM:.0%} of the validation ham spam")
    low, high = clopper_pearson(false_positives.count, false_positives.n)
    return "; ".join(
        [
            *parts,
            f"{_reached(false_positives)} ({false_positives.count / false_positives.n:.2%}, {low:.2%} to {high:.2%})",
        ]
    )


def _reached(false_positives: FalsePositives) -> str:
    return f"{false_positives.count:,} of {false_positives.n:,} validation ham are called spam"


def _missed(scores: ValidationScores, threshold: float) -> str:
    return f"{(scores.spam < threshold).sum():,} of {len(scores.spam):,} validation spam are missed"


def _same(thresholds: Mapping[str, float], mode: str) -> str:
    return f" and has the threshold of `{BALANCED}`" if thresholds[mode] == thresholds[BALANCED] else ""
