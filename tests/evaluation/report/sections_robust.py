"""The sections about other messages than those of the corpus: disguises, unusual ham, other corpora."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.evaluation.report.blocks import Block, Note, Pictures, Section, table
from tests.evaluation.report.disguises import Disguises, disguises, label, main_disguises
from tests.evaluation.report.document import BASELINE, OURS, title_of
from tests.evaluation.report.drawing import Picture
from tests.evaluation.report.wording import Cell, Shown, name_of, shown


def robustness_sections(evaluation: Mapping[str, Any], pictures: Mapping[str, Picture]) -> Iterator[Section]:
    """Return those that there are figures for."""
    if groups := disguises(evaluation):
        yield _evasion(evaluation, groups, pictures)
    if controls := evaluation.get("controls"):
        yield _controls(evaluation, controls, pictures)
    if corpora := evaluation.get("corpora"):
        yield _corpora(corpora)


def _evasion(evaluation: Mapping[str, Any], groups: Sequence[Disguises], pictures: Mapping[str, Picture]) -> Section:
    first = main_disguises(groups)
    drawn = [group for group in groups if group.name in pictures]
    blocks: list[Block] = [Pictures(tuple(pictures[group.name] for group in drawn if group in first))]
    if rest := [group for group in drawn if group not in first]:
        others = tuple(pictures[group.name] for group in rest)
        blocks.append(Pictures(others, f"Other strengths: {', '.join(group.title for group in rest)}"))
    header = (
        "attack", "strength", title_of(evaluation, OURS), title_of(evaluation, BASELINE), "undisguised", "changed",
    )  # fmt: skip
    rows = [row for group in groups for row in _attacks(group)]
    blocks.append(table(header, rows, summary="All figures"))
    if any(not each.get("seen_in_training", True) for group in groups for each in group.entries):
        blocks.append(Note("* No attack of this kind was in training."))
    reading = (
        "Each attack disguises the same spam the way spammers do, with the threshold left as it was: the nearer a bar "
        "comes to the thin upright line, the recall of the same messages undisguised, the less the disguise helps."
    )
    return Section("disguises", "Spam in disguise", reading, tuple(blocks))


def _attacks(group: Disguises) -> Iterator[tuple[Cell, ...]]:
    for each in group.entries:
        figures = (shown(each["recall"]), shown(each.get("baseline")), shown(each.get("clean_recall"), "recall"))
        yield label(each), group.title, *figures, shown(each.get("changed"))


def _controls(
    evaluation: Mapping[str, Any], controls: Sequence[Mapping[str, Any]], pictures: Mapping[str, Picture]
) -> Section:
    key = "false_positive_rate"
    rows = [
        (f"{each['id']} {each['title']}", shown(each[key], key), shown(each.get("baseline"), key)) for each in controls
    ]
    header = ("ham", title_of(evaluation, OURS), title_of(evaluation, BASELINE))
    reading = (
        "These messages are ham that looks odd: a filter that takes unusual letters for spam would raise false alarms "
        "here, so the shorter a bar, the better."
    )
    drawn = tuple(pictures[name] for name in ("controls",) if name in pictures)
    return Section("ham", "Unusual ham", reading, (Pictures(drawn), table(header, rows)))


def _corpora(corpora: Sequence[Mapping[str, Any]]) -> Section:
    keys = ("recall", "false_positive_rate", "mcc", "roc_auc", "pr_auc")
    header = ("corpus", "ham", "spam", *map(name_of, keys))
    rows = [
        (
            Shown(each["name"], each.get("note") or ""),
            *(shown(each.get(key)) for key in ("n_ham", "n_spam")),
            *(shown(each.get(key), key) for key in keys),
        )
        for each in corpora
    ]
    reading = (
        "The model and its threshold are those of the corpus it was trained on, unchanged: this is what it does with "
        "messages of another place and time; a dash stands where a corpus has only one of the two kinds."
    )
    return Section("corpora", "Other corpora", reading, (table(header, rows),))
