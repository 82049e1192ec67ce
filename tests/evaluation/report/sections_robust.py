"""Section on disguised spam of the corpus."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.evaluation.report.blocks import Block, Note, Pictures, Section, table
from tests.evaluation.report.disguises import Disguises, disguises, label, main_disguises
from tests.evaluation.report.document import BASELINE, OURS, title_of
from tests.evaluation.report.drawing import Picture
from tests.evaluation.report.wording import Cell, shown


def robustness_sections(evaluation: Mapping[str, Any], pictures: Mapping[str, Picture]) -> Iterator[Section]:
    """Yield the section if it has figures."""
    if groups := disguises(evaluation):
        yield _evasion(evaluation, groups, pictures)


def _evasion(evaluation: Mapping[str, Any], groups: Sequence[Disguises], pictures: Mapping[str, Picture]) -> Section:
    first = main_disguises(groups)
    drawn = [group for group in groups if group.name in pictures]
    blocks: list[Block] = [Pictures(tuple(pictures[group.name] for group in drawn if group in first))]
    if rest := [group for group in drawn if group not in first]:
        others = tuple(pictures[group.name] for group in rest)
        blocks.append(Pictures(others, f"Other levels: {', '.join(group.title for group in rest)}"))
    header = (
        "attack", "level", title_of(evaluation, OURS), title_of(evaluation, BASELINE), "undisguised", "changed",
    )  # fmt: skip
    rows = [row for group in groups for row in _attacks(group)]
    blocks.append(table(header, rows, summary="All figures"))
    if any(not each.get("seen_in_training", True) for group in groups for each in group.entries):
        blocks.append(Note("* No attack of this kind was in training."))
    reading = (
        "Each attack disguises the same spam as spammers do; the threshold is unchanged. The thin vertical line is "
        "the recall of the same messages undisguised: the closer a bar comes to it, the less the disguise helps."
    )
    return Section("disguises", "Disguised spam", reading, tuple(blocks))


def _attacks(group: Disguises) -> Iterator[tuple[Cell, ...]]:
    for each in group.entries:
        figures = (shown(each["recall"]), shown(each.get("baseline")), shown(each.get("clean_recall"), "recall"))
        yield label(each), group.title, *figures, shown(each.get("changed"))
