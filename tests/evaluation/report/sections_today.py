"""Sections on messages of today: notices, harmless controls, additional files."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.evaluation.report.blocks import Block, Note, Pictures, Section, table
from tests.evaluation.report.document import BASELINE, OURS, title_of
from tests.evaluation.report.drawing import Picture
from tests.evaluation.report.kinds import RATES
from tests.evaluation.report.wording import METRICS, Cell, Shown, name_of, shown

_MEASURES = ("false_positive_rate", "recall", "f1", "pr_auc", "recall_at_fpr_0.5pct")
_OF_A_MODE = ("false_positive_rate", "recall")


def today_sections(evaluation: Mapping[str, Any], pictures: Mapping[str, Picture]) -> Iterator[Section]:
    """Yield the sections that have figures."""
    today = evaluation.get("today") or {}
    if notices := today.get("notices"):
        yield _notices(evaluation, notices, today.get("marketing"), pictures)
    if controls := today.get("controls"):
        yield _controls(evaluation, controls, pictures)
    if files := today.get("files"):
        yield _files(files, today.get("means") or {})


def _notices(
    evaluation: Mapping[str, Any],
    notices: Mapping[str, Any],
    marketing: Mapping[str, Any] | None,
    pictures: Mapping[str, Picture],
) -> Section:
    names = ("kinds-ham", "kinds-spam", "evasion-notices")
    drawn = {name: pictures[name] for name in names if name in pictures}
    blocks: list[Block] = [_systems(notices), _modes(notices, marketing)]
    blocks.append(Pictures(tuple(drawn[name] for name in names[:2] if name in drawn)))
    blocks.append(_kinds(evaluation, notices["kinds"], marketing))
    if "evasion-notices" in drawn:
        blocks.append(Pictures((drawn["evasion-notices"],)))
    blocks.append(_disguised(evaluation, notices["evasion"]))
    blocks.append(_errors(notices["errors"]))
    blocks.append(
        Note("Marketing is labelled ham. Whether it is spam depends on the receiver, so no other figure includes it.")
    )
    reading = (
        "Alerts, codes, deliveries and personal messages as they are sent today, and the frauds that imitate them, in "
        "folds of their own. Near duplicates and both sides of a pair stay in one fold; each side has one vote."
    )
    return Section("notices", "Messages of today", reading, tuple(blocks))


def _systems(notices: Mapping[str, Any]) -> Block:
    systems = {name: notices["systems"][name] for name in (OURS, BASELINE) if name in notices["systems"]}
    keys = [*_MEASURES, *(key for key in METRICS if key not in _MEASURES)]
    rows: list[list[Cell]] = [
        [name_of(key), *(shown(each["by_cluster"].get(key), key) for each in systems.values())]
        for key in keys
        if any(key in each["by_cluster"] for each in systems.values())
    ]
    for key, rate in notices["calibration"].items():
        rows.append([name_of(key), shown(rate, key), *[Shown("")] * (len(systems) - 1)])
    counts = [each["by_cluster"] for each in systems.values()]
    rows.append(["n", *(Shown(f"{each['n']:,}", f"{each['n_ham']:,} ham, {each['n_spam']:,} spam") for each in counts)])
    return table(("notices", *(str(each["title"]) for each in systems.values())), rows)


def _modes(notices: Mapping[str, Any], marketing: Mapping[str, Any] | None) -> Block:
    rows: list[list[Cell]] = []
    for mode, figures in notices["modes"].items():
        apart = [shown(marketing["modes"][mode]["false_positive_rate"], "false_positive_rate")] if marketing else []
        rows.append([mode, *(shown(figures[key], key) for key in (*_OF_A_MODE, "precision")), *apart])
    header = ["mode", *map(name_of, (*_OF_A_MODE, "precision")), *(["marketing called spam"] if marketing else [])]
    return table(header, rows)


def _kinds(
    evaluation: Mapping[str, Any], kinds: Sequence[Mapping[str, Any]], marketing: Mapping[str, Any] | None
) -> Block:
    modes = list(kinds[0]["modes"]) if kinds else []
    rows: list[list[Cell]] = [
        [
            Shown(each["kind"].replace("-", " "), name_of(RATES[each["label"]])),
            *(shown(each["modes"][mode], RATES[each["label"]]) for mode in modes),
            shown(each["baseline"], RATES[each["label"]]),
        ]
        for each in kinds
    ]
    if marketing:
        called = [*(marketing["modes"][mode]["false_positive_rate"] for mode in modes), marketing["baseline"]]
        rows.append([Shown("marketing", "called spam"), *(shown(rate, "false_positive_rate") for rate in called)])
    return table(("kind", *modes, title_of(evaluation, BASELINE)), rows, summary="All kinds, in every mode")


def _disguised(evaluation: Mapping[str, Any], evasion: Sequence[Mapping[str, Any]]) -> Block:
    rows: list[list[Cell]] = [
        [
            f"{each['attack']} {each['title']}",
            shown(each["recall"]),
            shown(each["baseline"]),
            shown(each["clean_recall"], "recall"),
        ]
        for each in evasion
    ]
    header = (
        "notices, medium on keywords",
        title_of(evaluation, OURS),
        title_of(evaluation, BASELINE),
        "undisguised",
    )
    return table(header, rows, summary="Disguises of a sample")


def _errors(errors: Sequence[Mapping[str, Any]]) -> Block:
    rows = [
        (
            Shown(each["text"]),
            Shown(each["kind"].replace("-", " "), each["label"]),
            *(shown(each[key]) for key in ("score", "threshold")),
            Shown(each["verdict"], each["note"]),
        )
        for each in errors
    ]
    header = ("message", "kind", "score", "threshold", "verdict")
    unread = sum(each["verdict"] == "unread" for each in errors)
    return table(header, rows, summary=f"All {len(rows)} errors, {unread} of them unread", wide=True)


def _controls(
    evaluation: Mapping[str, Any], controls: Sequence[Mapping[str, Any]], pictures: Mapping[str, Picture]
) -> Section:
    key = "false_positive_rate"
    rows = [
        (f"{each['id']} {each['title']}", shown(each[key], key), shown(each.get("baseline"), key)) for each in controls
    ]
    header = ("ham", title_of(evaluation, OURS), title_of(evaluation, BASELINE))
    reading = (
        "Ham that looks unusual. A filter that takes unusual letters for spam has false positives here, so shorter "
        "bars are better. The models of all folds score the same messages."
    )
    drawn = tuple(pictures[name] for name in ("controls",) if name in pictures)
    return Section("ham", "Harmless controls", reading, (Pictures(drawn), table(header, rows)))


def _files(files: Sequence[Mapping[str, Any]], means: Mapping[str, Any]) -> Section:
    modes = list(files[0]["modes"])
    rows = [
        (
            Shown(each["name"], f"{each['kind']}, {name_of(rate)}"),
            *(shown(each["modes"][mode][rate], rate) for mode in modes),
        )
        for each in files
        for rate in _OF_A_MODE
        if each["modes"][modes[0]][rate] is not None
    ]
    rows += [
        (Shown(f"mean of files of {kind}", f"{mean['files']} files"),
         *(shown(mean["modes"][mode], "false_positive_rate" if kind == "notices" else "recall") for mode in modes))
        for kind, mean in means.items()
    ]  # fmt: skip
    blocks: list[Block] = [table(("file", *modes), rows)]
    ranked = [each for each in files if "pr_auc" in each]
    if ranked:
        keys = ("f1", "mcc", "pr_auc", "recall_at_fpr_0.5pct")
        counts = [(each["name"], *(shown(each[key], key) for key in keys)) for each in ranked]
        blocks.append(table(("file with both labels", *map(name_of, keys)), counts))
    reading = (
        "Model and thresholds are the shipped ones. A file of ham counts as notices and a file of spam as spam, each "
        "with one vote in the mean. Files with both labels, and marketing, are in no mean."
    )
    return Section("files", "Other files", reading, tuple(blocks))
