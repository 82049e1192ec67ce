"""The sections about what stands behind the figures: parts, seeds, size and speed, errors, how to measure again."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.evaluation.report.blocks import Block, Note, Section, table
from tests.evaluation.report.wording import NONE, Cell, Shown, difference, name_of, pairs, shown

ERRORS_AT_FIRST = 12
_COMMAND = "make evaluate"
_FACTS = ("created", "machine", "git_commit", "normalizer_version", "seconds", "quick")


def cost_sections(evaluation: Mapping[str, Any]) -> Iterator[Section]:
    """Return parts, seeds, size and speed, as far as there are figures."""
    if ablation := evaluation.get("ablation"):
        yield _ablation(ablation)
    if seeds := evaluation.get("seeds"):
        yield _seeds(seeds)
    if quantisation := evaluation.get("quantisation"):
        reading = "The int8 file against the model it was made from, on the same messages: the smaller, the better."
        blocks = (table(("figure", ""), pairs(quantisation)),)
        yield Section("int8", "What int8 changes", reading, blocks)
    if costs := evaluation.get("size_and_speed"):
        reading = "What it costs to run, on the machine that is named at the end of this page."
        yield Section("cost", "Size and speed", reading, (table(("figure", ""), pairs(costs)),))


def error_section(errors: Mapping[str, Any]) -> Section:
    """Return the worst errors with their text."""
    blocks: list[Block] = []
    counts = [dict(pairs(errors.get(key) or {})) for key in ("raw", "adjudicated")]
    if names := list(dict.fromkeys(name for each in counts for name in each)):
        totals: list[list[Cell]] = [[name, *(each.get(name, Shown(NONE)) for each in counts)] for name in names]
        blocks.append(table(("errors", "as labelled", "with the labels corrected"), totals))
    rows = [_error(each) for each in errors.get("worst") or ()]
    header = ("message", "label", "score", "threshold", "verdict")
    if rows:
        blocks.append(table(header, rows[:ERRORS_AT_FIRST], wide=True))
    if rest := rows[ERRORS_AT_FIRST:]:
        blocks.append(table(header, rest, summary=f"{len(rest)} more", wide=True))
    reading = (
        "The messages that were furthest on the wrong side of the threshold, with what a reader says of each: wrong "
        "(the model's fault), mislabelled (the corpus'), ambiguous, or unread."
    )
    return Section("errors", "The worst errors", reading, tuple(blocks))


def ground_section(evaluation: Mapping[str, Any]) -> Section:
    """Return what was measured, on what, and the command that does it again."""
    command = evaluation.get("command") or _COMMAND
    facts = [(name_of(key), shown(evaluation[key])) for key in _FACTS if evaluation.get(key) is not None]
    blocks: list[Block] = [Note(f"$ {command}"), table(("", ""), facts)]
    for key in ("corpus", "settings", "versions"):
        if values := evaluation.get(key):
            blocks.append(table((key, ""), pairs(values)))
    reading = "One command measures all of this again and draws this page; below is what it was run on."
    return Section("again", "Measure it again", reading, tuple(blocks))


def _ablation(ablation: Sequence[Mapping[str, Any]]) -> Section:
    keys = list(dict.fromkeys(key for each in ablation for key in each))
    rows = [[shown(each.get(key), key) for key in keys] for each in ablation]
    reading = "Each row leaves out or changes one thing: how far it falls is what that thing is worth."
    return Section("parts", "What each part is worth", reading, (table([name_of(key) for key in keys], rows),))


def _seeds(seeds: Mapping[str, Mapping[str, Any]]) -> Section:
    rows: list[tuple[Cell, ...]] = [
        (
            name_of(key),
            shown(each["mean"], key),
            Shown(difference(each["sd"], key).main.removeprefix("+")),
            shown(each["values"], key),
            shown(len(each["values"])),
        )
        for key, each in seeds.items()
    ]
    reading = (
        "The same training with other random seeds: a difference between two systems that is not larger than these "
        "standard deviations may be luck."
    )
    header = ("metric", "mean", "standard deviation", "each seed", "n")
    return Section("seeds", "Other seeds", reading, (table(header, rows),))


def _error(each: Mapping[str, Any]) -> tuple[Shown, ...]:
    verdict = Shown(each.get("verdict") or "unread", each.get("note") or "")
    figures = (shown(each.get(key)) for key in ("label", "score", "threshold"))
    return Shown(each["text"]), *figures, verdict
