"""Write the tables that the model card and docs/evaluation.md quote from an evaluation, as Markdown.

python -m tests.evaluation.report.quote artifacts/report/evaluation.json
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from spam_edge.errors import SpamEdgeError
from tests.evaluation.report.cards import TODAY, cards
from tests.evaluation.report.disguises import disguises, label, main_disguises
from tests.evaluation.report.document import BASELINE, OURS, read_evaluation, title_of
from tests.evaluation.report.kinds import BALANCED
from tests.evaluation.report.wording import NONE, Cell, Shown, is_measured, name_of, shown

_QUOTED = ("recall_at_fpr_0.1pct", "recall_at_fpr_0.5pct", "pr_auc", "f1", "mcc", "accuracy")
_WORTH_A_WARNING = 0.1
"""Loss of recall from which a disguise is listed among the limits."""


def markdown(evaluation: Mapping[str, Any]) -> str:
    """Return both tracks, disguises, harmless messages, other files and limits; parts without figures are left out.

    Args:
        evaluation: content of ``evaluation.json``.
    """
    sections = (
        _headline(evaluation),
        _today(evaluation),
        _disguises(evaluation),
        _controls(evaluation),
        _files(evaluation),
        _limits(evaluation),
    )
    return "\n\n".join("\n".join(lines) for section in sections if (lines := list(section))) + "\n"


def _headline(evaluation: Mapping[str, Any]) -> Iterator[str]:
    systems = {name: evaluation["systems"].get(name, {}).get("by_cluster") for name in (OURS, BASELINE)}
    measured = {name: metrics for name, metrics in systems.items() if metrics}
    if not measured:
        return
    rows: list[list[Cell]] = [
        [name_of(key), *(shown(metrics.get(key), key) for metrics in measured.values())]
        for key in _QUOTED
        if any(key in metrics for metrics in measured.values())
    ]
    yield from ("### Headline metrics", "")
    yield "One vote per near-duplicate cluster, none of which is in training; 95 % intervals in brackets."
    yield from ("", *_table(["metric", *(title_of(evaluation, name) for name in measured)], rows))
    if seeds := {key: each for key, each in (evaluation.get("seeds") or {}).items() if key in _QUOTED}:
        n = max(len(each["values"]) for each in seeds.values())
        means = ", ".join(f"{name_of(key)} {each['mean']:.3f} (s.d. {each['sd']:.3f})" for key, each in seeds.items())
        yield from ("", f"Mean over {n} seeds, in PyTorch: {means}.")


def _disguises(evaluation: Mapping[str, Any]) -> Iterator[str]:
    groups = disguises(evaluation)
    if not groups:
        return
    yield from ("### Disguises", "")
    yield "Recall of the same spam under each disguise at the same threshold; * was not in training."
    header = ["attack", title_of(evaluation, OURS), title_of(evaluation, BASELINE), "undisguised"]
    for group in main_disguises(groups):
        rows: list[list[Cell]] = [
            [label(each), shown(each["recall"]), shown(each.get("baseline")), shown(each.get("clean_recall"), "recall")]
            for each in group.entries
        ]
        yield from ("", f"{group.title[0].upper()}{group.title[1:]}:", "", *_table(header, rows))


def _controls(evaluation: Mapping[str, Any]) -> Iterator[str]:
    controls = (evaluation.get("today") or {}).get("controls")
    if not controls:
        return
    rows: list[list[Cell]] = [
        [
            f"{each['id']} {each['title']}",
            *(shown(each.get(key), "false_positive_rate") for key in ("false_positive_rate", "baseline")),
        ]
        for each in controls
    ]
    yield from ("### Harmless controls", "", "Share called spam.", "")
    yield from _table(["messages", title_of(evaluation, OURS), title_of(evaluation, BASELINE)], rows)


def _today(evaluation: Mapping[str, Any]) -> Iterator[str]:
    today = evaluation.get("today") or {}
    lines = next((card.lines for card in cards(evaluation) if card.title == TODAY), ())
    if not lines:
        return
    rows: list[list[Cell]] = [[line.name, line.figure, line.baseline or Shown(NONE)] for line in lines]
    if marketing := today.get("marketing"):
        key = "false_positive_rate"
        called = (marketing["modes"][BALANCED][key], marketing["baseline"])
        rows.append(["marketing called spam (in no other figure)", *(shown(each, key) for each in called)])
    yield from ("### Messages of today", "")
    yield "Notices without near duplicates in training; harmless messages that resemble spam; and additional files,"
    yield "which are not in training and are scored by the bundle itself."
    yield from ("", *_table(["messages", title_of(evaluation, OURS), title_of(evaluation, BASELINE)], rows))


def _files(evaluation: Mapping[str, Any]) -> Iterator[str]:
    files = (evaluation.get("today") or {}).get("files")
    if not files:
        return
    rates = ("false_positive_rate", "recall")
    rows: list[list[Cell]] = [
        [
            each["name"],
            each["kind"],
            *(shown(each[key]) for key in ("n_ham", "n_spam")),
            *(shown(each["modes"][BALANCED][rate], rate) for rate in rates),
        ]
        for each in files
    ]
    yield from ("### Other files", "", "Same model and threshold.", "")
    yield from _table(["file", "counts as", "ham", "spam", *map(name_of, rates)], rows)


def _limits(evaluation: Mapping[str, Any]) -> Iterator[str]:
    limits = list(_found_limits(evaluation))
    if limits:
        yield from ("### Limits", "", *(f"- {limit}" for limit in limits))


def _found_limits(evaluation: Mapping[str, Any]) -> Iterator[str]:
    if evaluation.get("quick"):
        yield "This was a quick run on few messages: do not quote its figures."
    metrics = evaluation["systems"].get(OURS, {}).get("by_cluster")
    if metrics:
        allowed = int(metrics["n_ham"] * 0.001)
        yield (
            f"A false-positive rate of 0.1 % is {allowed} of {metrics['n_ham']:,} ham here: lower rates are hardly "
            "measurable."
        )
    if broken := sorted({label(each) for each in _broken(evaluation)}):
        yield f"Disguises that cost {100 * _WORTH_A_WARNING:.0f} points of recall or more: {', '.join(broken)}."
    files = (evaluation.get("today") or {}).get("files") or ()
    if caught := [(rate, each["name"]) for each in files if is_measured(rate := each["modes"][BALANCED]["recall"])]:
        lowest, name = min(caught, key=lambda pair: float(pair[0]["value"]))
        yield f"Lowest recall on another file: {shown(lowest)}, on {name}."
    for goal in evaluation.get("goals") or ():
        if goal["met"] is False:
            yield f"Goal not met: {goal['name']} {goal['goal']}; measured {goal.get('text') or goal.get('value')}."


def _broken(evaluation: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for group in main_disguises(disguises(evaluation)):
        for each in group.entries:
            clean = each.get("clean_recall")
            if (
                clean is not None
                and is_measured(each["recall"])
                and clean - each["recall"]["value"] >= _WORTH_A_WARNING
            ):
                yield each


def _table(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("evaluation", type=click.Path(path_type=Path))
def main(evaluation: Path) -> None:
    """Print the tables quoted from EVALUATION, the evaluation.json of `make evaluate`."""
    try:
        click.echo(markdown(read_evaluation(evaluation)), nl=False)
    except SpamEdgeError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
