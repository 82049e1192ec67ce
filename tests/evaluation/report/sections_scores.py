"""Sections on scores: goals, systems, curves, calibration, modes, leaky split."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from tests.evaluation.report.blocks import Block, Note, Pictures, Section, table
from tests.evaluation.report.document import OURS, title_of
from tests.evaluation.report.drawing import Picture
from tests.evaluation.report.panels import share_of_spam
from tests.evaluation.report.pictures import confusion_name
from tests.evaluation.report.wording import METRICS, NONE, Cell, Shown, difference, name_of, shown

_MET = {
    True: Shown("met", mark="met"),
    False: Shown("not met", mark="missed"),
    None: Shown("not measured", mark="open"),
}


def score_sections(evaluation: Mapping[str, Any], pictures: Mapping[str, Picture]) -> Iterator[Section]:
    """Yield the sections that have figures."""
    yield _systems(evaluation, pictures)
    if "curve" in pictures:
        reading = (
            "Closer to the upper right is better. Each point of a curve is a threshold; the marks are the shipped "
            "modes with their 95 % intervals."
        )
        yield Section("curve", "Precision and recall", reading, (Pictures((pictures["curve"],)),))
    if "histogram" in pictures:
        reading = (
            "Ham belongs on the left and spam on the right; errors lie between the two peaks or in the wrong one. "
            "Vertical lines are the thresholds of the modes, with their range over the folds. The log scale keeps "
            "single messages visible."
        )
        yield Section("scores", "Scores", reading, (Pictures((pictures["histogram"],)),))
    if calibration := evaluation.get("calibration"):
        yield _calibration(calibration, pictures)
    if modes := evaluation.get("modes"):
        yield _modes(modes, pictures)


def goal_section(goals: Sequence[Mapping[str, Any]]) -> Section:
    """Return every goal with its measured value."""
    met = sum(goal["met"] is True for goal in goals)
    rows = [(goal["name"], _MET[goal["met"]], str(goal["goal"]), _measured(goal)) for goal in goals]
    reading = f"The goals were set before measuring: {met} of {len(goals)} are met."
    return Section("goals", "Goals", reading, (table(("goal", "", "target", "measured"), rows),))


def _measured(goal: Mapping[str, Any]) -> str:
    if goal.get("text"):
        return str(goal["text"])
    return NONE if goal.get("value") is None else f"{goal['value']:.4g}"


def _systems(evaluation: Mapping[str, Any], pictures: Mapping[str, Picture]) -> Section:
    names = [OURS, *(name for name in evaluation["systems"] if name != OURS)]
    blocks: list[Block] = [Pictures((pictures["systems"],))] if "systems" in pictures else []
    for votes, summary in (("by_cluster", ""), ("by_row", "One vote per message, duplicates included")):
        measured = {name: evaluation["systems"].get(name, {}).get(votes) for name in names}
        blocks += _compared(evaluation, {name: each for name, each in measured.items() if each}, summary)
    for name, paired in (evaluation.get("paired") or {}).items():
        rows = [(name_of(key), difference(rate, key)) for key, rate in paired.items()]
        header = (f"{title_of(evaluation, OURS)} minus {title_of(evaluation, name)}", "difference")
        blocks.append(table(header, rows))
    reading = (
        "All systems have the same messages in the same folds. Each near-duplicate cluster has one vote: a template "
        "sent fifty times counts once. 95 % intervals are in brackets. A difference whose interval includes 0 is not "
        "significant."
    )
    return Section("systems", "Comparison with baselines", reading, tuple(blocks))


def _compared(evaluation: Mapping[str, Any], measured: Mapping[str, Any], summary: str) -> Iterator[Block]:
    rows: list[list[Cell]] = [
        [name_of(key), *(shown(each.get(key), key) for each in measured.values())]
        for key in METRICS
        if any(key in each for each in measured.values())
    ]
    counts = [Shown(f"{each['n']:,}", f"{each['n_ham']:,} ham, {each['n_spam']:,} spam") for each in measured.values()]
    if measured:
        header = ("metric", *(title_of(evaluation, name) for name in measured))
        yield table(header, [*rows, ["n", *counts]], summary=summary)


def _calibration(calibration: Mapping[str, Any], pictures: Mapping[str, Picture]) -> Section:
    rows = [(name_of(key), shown(calibration[key], key)) for key in ("ece", "brier", "nll") if key in calibration]
    if "temperature" in calibration:
        rows.append(("temperature by fold", shown(calibration["temperature"])))
    blocks: list[Block] = [Pictures((pictures["reliability"],))] if "reliability" in pictures else []
    if bins := calibration.get("bins"):
        cells = [(shown(each["score"], "ece"), shown(share_of_spam(each), "recall")) for each in bins if each["n"]]
        blocks.append(table(("mean score", "share of spam"), cells, summary="Bins"))
    reading = (
        "On the dashed line, 8 of 10 messages with a score of 0.8 are spam. Below it the scores are too high, above "
        "it too low."
    )
    return Section("calibration", "Calibration", reading, (*blocks, table(("figure", ""), rows)))


def _modes(modes: Mapping[str, Mapping[str, Any]], pictures: Mapping[str, Picture]) -> Section:
    keys = ("precision", "recall", "false_positive_rate")
    rows: list[tuple[Cell, ...]] = [
        (name, _threshold(mode["threshold"]), *(shown(mode.get(key), key) for key in keys))
        for name, mode in modes.items()
    ]
    matrices = tuple(pictures[confusion_name(name)] for name in modes if confusion_name(name) in pictures)
    reading = (
        "A mode is a threshold on the same score. Each confusion matrix has false positives in the upper right, "
        "missed spam in the lower left, and shares of the row."
    )
    blocks: list[Block] = [table(("mode", "threshold", *map(name_of, keys)), rows)]
    if matrices:
        blocks.append(Pictures(matrices))
    return Section("modes", "Modes", reading, tuple(blocks))


def _threshold(threshold: float | list[float]) -> Shown:
    values = threshold if isinstance(threshold, list) else [threshold]
    folds = f"{min(values):.3f} to {max(values):.3f} in {len(values)} folds" if len(values) > 1 else ""
    return Shown(f"{median(values):.3f}", folds)


def leaky_section(evaluation: Mapping[str, Any], leaky: Mapping[str, Any]) -> Section:
    """Return the figures of the leaky random split, labelled as optimistic."""
    metrics, grouped = leaky["metrics"], evaluation["systems"].get(OURS, {}).get("by_cluster", {})
    rows = [(name_of(key), shown(metrics[key], key), shown(grouped.get(key), key)) for key in METRICS if key in metrics]
    note = "For comparison with papers only: near duplicates of test messages were in training."
    reading = (
        "Most papers split this corpus at random. The figures are optimistic: compare them with papers only, and do "
        "not expect them on new messages."
    )
    header = ("metric", leaky.get("title") or "random split", "grouped folds, as above")
    return Section("leaky", "Leaky random split", reading, (Note(note), table(header, rows)))
