"""How far the validation split can vouch for the thresholds, in words."""

from collections.abc import Mapping
from typing import Any

from export.calibration import FALSE_POSITIVE_RATE, GIVEN_AWAY, GIVEN_UP, MISS_RATE
from spam_edge.intervals import clopper_pearson, tries_needed
from spam_edge.operating_points import BALANCED, HIGH_RECALL, LOW_FALSE_POSITIVE
from spam_edge.thresholds import FalseAlarms, errors_allowed, tail_threshold, threshold_for_rate
from spam_edge.validation import COLLECTION, ValidationScores


def resolution(scores: ValidationScores, thresholds: Mapping[str, float]) -> str:
    """Say who voted on the thresholds, and what the outer modes come to on the validation split; a Markdown list."""
    lines = [_voters(scores), _strict(scores, thresholds), _lenient(scores, thresholds)]
    return "\n".join(f"- {line}." for line in lines)


def _voters(scores: ValidationScores) -> str:
    votes = [f"{counted['n']:,} {name}{_corpora(counted['kinds'])}" for name, counted in scores.votes().items()]
    return f"Validation: {' and '.join(votes)}, one for each cluster of near duplicates, with one vote each"


def _corpora(kinds: Mapping[str, Mapping[str, Any]]) -> str:
    notices = [entry["n"] for kind, entry in kinds.items() if kind != COLLECTION]
    if not notices:
        return ""
    collection = kinds[COLLECTION]["n"] if COLLECTION in kinds else 0
    return f" ({collection:,} of the collection, {sum(notices):,} notices of {len(notices)} kinds)"


def _strict(scores: ValidationScores, thresholds: Mapping[str, float]) -> str:
    threshold, wanted = thresholds[LOW_FALSE_POSITIVE], threshold_for_rate(scores, FALSE_POSITIVE_RATE)
    alarms, aim = FalseAlarms.at(threshold, scores.ham), f"{FALSE_POSITIVE_RATE:.1%}"
    named = f"`{LOW_FALSE_POSITIVE}` aims at {aim} of ham{_same(thresholds, LOW_FALSE_POSITIVE)}"
    parts = [f"{named}: {_reached(alarms)}, which shows at most {alarms.highest_rate:.2%} with 95 % confidence"]
    if threshold < wanted:
        parts.append(f"a threshold for {aim} would miss more than {GIVEN_UP:.0%} of the validation spam")
    elif not alarms.show(FALSE_POSITIVE_RATE):
        estimated = "is estimated" if tail_threshold(scores.ham, FALSE_POSITIVE_RATE) else "cannot be estimated"
        parts.append(f"{aim} {estimated}, and {tries_needed(FALSE_POSITIVE_RATE):,} ham would be needed to show it")
    return "; ".join([*parts, _missed(scores, threshold)])


def _lenient(scores: ValidationScores, thresholds: Mapping[str, float]) -> str:
    threshold = thresholds[HIGH_RECALL]
    alarms, aim = FalseAlarms.at(threshold, scores.ham), f"{MISS_RATE:.0%}"
    parts = [
        f"`{HIGH_RECALL}` aims to miss {aim} of spam{_same(thresholds, HIGH_RECALL)}: {_missed(scores, threshold)}"
    ]
    if (scores.spam < threshold).sum() > errors_allowed(MISS_RATE, len(scores.spam)):
        parts.append(f"a threshold for {aim} would call more than {GIVEN_AWAY:.0%} of the validation ham spam")
    low, high = clopper_pearson(alarms.count, alarms.n)
    return "; ".join([*parts, f"{_reached(alarms)} ({alarms.count / alarms.n:.2%}, {low:.2%} to {high:.2%})"])


def _reached(alarms: FalseAlarms) -> str:
    return f"{alarms.count:,} of {alarms.n:,} validation ham reach it"


def _missed(scores: ValidationScores, threshold: float) -> str:
    return f"{(scores.spam < threshold).sum():,} of {len(scores.spam):,} validation spam do not"


def _same(thresholds: Mapping[str, float], mode: str) -> str:
    return f" and has the threshold of `{BALANCED}`" if thresholds[mode] == thresholds[BALANCED] else ""
