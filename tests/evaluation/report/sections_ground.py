"""Sections on seeds, size and speed, errors, and how to repeat the measurement."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.evaluation.report.blocks import Block, Note, Section, table
from tests.evaluation.report.wording import NONE, Cell, Shown, difference, name_of, pairs, shown

ERRORS_AT_FIRST = 12
_COMMAND = "make evaluate"
_FACTS = ("created", "machine", "git_commit", "normalizer_version", "seconds", "quick")


def cost_sections(evaluation: Mapping[str, Any]) -> Iterator[Section]:
    """Yield seeds, quantisation, and size and speed, if they have figures."""
    if seeds := evaluation.get("seeds"):
        yield _seeds(seeds)
    if quantisation := evaluation.get("quantisation"):
        reading = (
            "The int8 model against the PyTorch model it was exported from, on the same messages; smaller is better."
        )
        blocks = (table(("figure", ""), pairs(quantisation)),)
        yield Section("int8", "Quantisation", reading, blocks)
    if costs := evaluation.get("size_and_speed"):
        reading = "Size and throughput on the machine named at the end of this page."
        yield Section("cost", "Size and speed", reading, (table(("figure", ""), pairs(costs)),))


def error_section(errors: Mapping[str, Any]) -> Section:
    """Return the worst errors with their texts."""
    blocks: list[Block] = []
    counts = [dict(pairs(errors.get(key) or {})) for key in ("raw", "adjudicated")]
    if names := list(dict.fromkeys(name for each in counts for name in each)):
        totals: list[list[Cell]] = [[name, *(each.get(name, Shown(NONE)) for each in counts)] for name in names]
        blocks.append(table(("errors", "as labelled", "with corrected labels"), totals))
    rows = [_error(each) for each in errors.get("worst") or ()]
    header = ("message", "label", "score", "threshold", "verdict")
    if rows:
        blocks.append(table(header, rows[:ERRORS_AT_FIRST], wide=True))
    if rest := rows[ERRORS_AT_FIRST:]:
        blocks.append(table(header, rest, summary=f"{len(rest)} more", wide=True))
    reading = (
        "The messages furthest on the wrong side of the threshold, each with the verdict of a language model: wrong "
        "(error of the model), mislabelled (error of the corpus), ambiguous, or unread."
    )
    return Section("errors", "Worst errors", reading, tuple(blocks))


def ground_section(evaluation: Mapping[str, Any]) -> Section:
    """Return the corpus, settings and versions of the evaluation, and the command that repeats it."""
    command = evaluation.get("command") or _COMMAND
    facts = [(name_of(key), shown(evaluation[key])) for key in _FACTS if evaluation.get(key) is not None]
    blocks: list[Block] = [Note(f"$ {command}"), table(("", ""), facts)]
    for key in ("corpus", "settings", "versions"):
        if values := evaluation.get(key):
            blocks.append(table((key, ""), pairs(values)))
    reading = "This command repeats the measurement. The tables name its machine, data, settings and versions."
    return Section("again", "Reproduce", reading, tuple(blocks))


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
        "The same training with other random seeds. A difference between two systems within these standard deviations "
        "may be chance."
    )
    header = ("metric", "mean", "standard deviation", "each seed", "n")
    return Section("seeds", "Variance between seeds", reading, (table(header, rows),))


def _error(each: Mapping[str, Any]) -> tuple[Shown, ...]:
    verdict = Shown(each.get("verdict") or "unread", each.get("note") or "")
    figures = (shown(each.get(key)) for key in ("label", "score", "threshold"))
    return Shown(each["text"]), *figures, verdict
