"""Several corpora: cleaning and split across files, metrics per corpus, and the cleaning report."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spam_edge.errors import InputError
from spam_edge.training.data import splits
from spam_edge.training.data.cleaning import clean
from spam_edge.training.data.cleaning_report import CONFLICTS_SHOWN, describe_cleaning
from spam_edge.training.data.corpus import Prepared, check, prepare
from spam_edge.training.data.messages import HAM, LABELS, SPAM, LabelledMessage
from spam_edge.training.data.sources import Corpus
from spam_edge.training.metrics.by_corpus import metrics_by_corpus
from spam_edge.training.metrics.metric import spam_metrics

ROOT = Path(__file__).parents[3]
Make = Callable[[int], list[LabelledMessage]]


def near_duplicate_of(message: LabelledMessage, file: str) -> LabelledMessage:
    """Return a near duplicate in another file."""
    return replace(message, text=f"{message.text} now", file=file)


@pytest.fixture(scope="module")
def two_files(make_messages: Make) -> list[LabelledMessage]:
    """Make a.tsv of 120 messages, and b.tsv of 40 near and 10 exact duplicates of them and 30 new ham messages."""
    made = [replace(message, file="a.tsv") for message in make_messages(240)]
    ham = [replace(message, file="b.tsv") for message in made[120:] if message.label == HAM][:30]
    rows = [near_duplicate_of(message, "b.tsv") for message in made[:40]] + made[40:50] + ham
    return made[:120] + [replace(message, file="b.tsv", line=line) for line, message in enumerate(rows, start=1)]


def as_corpus(messages: list[LabelledMessage]) -> Corpus:
    return Corpus("a.tsv, b.tsv", "files", "asked for", tuple(messages))


@pytest.fixture(scope="module")
def prepared(two_files: list[LabelledMessage]) -> Prepared:
    return prepare(as_corpus(two_files), seed=42)


def test_near_duplicates_across_files_share_one_split(prepared: Prepared) -> None:
    assert prepared.cleaning.clusters_across_corpora == 40 + 10
    assert (prepared.cleaning.exact_duplicates, prepared.cleaning.clusters) == (10, 150)
    split_of = {example.text: split for split, examples in prepared.splits.items() for example in examples}
    pairs = [(text, f"{text} now") for text in split_of if f"{text} now" in split_of]
    assert len(pairs) == 40
    assert all(split_of[first] == split_of[second] for first, second in pairs)
    assert len({split_of[first] for first, _ in pairs}) == 3  # not trivially all in one split


def test_exact_duplicate_across_files_keeps_both_file_names(two_files: list[LabelledMessage]) -> None:
    examples, _ = clean(two_files)
    assert [example.corpus for example in examples].count(("a.tsv", "b.tsv")) == 10
    assert clean(two_files[::-1])[0] == examples


def test_split_sizes_are_reported_per_corpus(prepared: Prepared) -> None:
    sizes = [splits.describe(examples)["by_corpus"] for examples in prepared.splits.values()]
    assert sum(part["a.tsv"]["rows"] for part in sizes) == 120
    assert sum(part["b.tsv"]["rows"] for part in sizes) == 80
    assert all(part["rows"] == part["ham"] + part["spam"] for split in sizes for part in split.values())
    assert set(splits.describe([splits.Example("a", HAM, 0, ("one",))])["by_corpus"]) == {"one"}


def test_metrics_per_corpus_match_hand_computed_values() -> None:
    """Corpus a has both labels and a repeated cluster, b has only ham, and c only spam."""
    metrics = metrics_by_corpus(
        np.array([0.9, 0.2, 0.1, 0.9, 0.7, 0.3, 0.8]),
        np.array([1, 1, 0, 0, 0, 0, 1]),
        clusters=[1, 2, 3, 3, 4, 5, 6],
        corpora=[["a"], ["a"], ["a"], ["a"], ["b"], ["b"], ["c", "a"]],
    )
    a = metrics["a"]
    assert (a["n"], a["n_spam"], a["n_ham"]) == (4, 3, 1)
    assert (a["recall"], a["false_positive_rate"], a["precision"]) == (2 / 3, 0, 1)
    assert metrics["b"] == {"n": 2, "n_spam": 0, "n_ham": 2, "false_positive_rate": 0.5}
    assert metrics["c"] == {"n": 1, "n_spam": 1, "n_ham": 0, "recall": 1}


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.booleans(), st.integers(0, 5), st.sets(st.sampled_from("abc"))), max_size=30
    ),
    st.floats(0, 1),
)
def test_corpus_metrics_equal_metrics_of_its_messages(
    rows: list[tuple[float, bool, int, set[str]]], threshold: float
) -> None:
    scores, is_spam = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], dtype=np.int64)
    metrics = metrics_by_corpus(
        scores,
        is_spam,
        clusters=[row[2] for row in rows],
        corpora=[sorted(row[3]) for row in rows],
        threshold=threshold,
    )
    assert set(metrics) == {name for row in rows for name in row[3]}
    for name, figures in metrics.items():
        first = {row[2]: number for number, row in reversed(list(enumerate(rows))) if name in row[3]}
        first_rows = sorted(first.values())
        assert (figures["n"], figures["n_spam"]) == (len(first_rows), is_spam[first_rows].sum())
        if 0 < figures["n_spam"] < figures["n"]:
            expected = spam_metrics(scores[first_rows], is_spam[first_rows], threshold=threshold)
            assert {key: figures[key] for key in expected} == pytest.approx(expected)


def test_cleaning_report_counts_rows_of_each_file(prepared: Prepared, two_files: list[LabelledMessage]) -> None:
    table = prepared.report.split("Files\n")[1].splitlines()
    n_spam = sum(message.is_spam for message in two_files[120:])
    assert [line.split() for line in table[:3]] == [
        ["file", "rows", *LABELS, "repeated", "shared", "dropped", "kept", "clusters"],
        ["a.tsv", "120", "80", "40", "0", "10", "0", "120", "120"],
        ["b.tsv", "80", str(80 - n_spam), str(n_spam), "0", "10", "0", "80", "80"],
    ]
    assert f"{50:>10}  clusters in more than one file" in prepared.report
    assert "Label conflicts: none" in prepared.report
    split = prepared.report.split("Split 70/10/20")[1].splitlines()
    assert [line.split()[0] for line in split[2:]] == [
        name for split in splits.SPLITS for name in (split, "a.tsv", "b.tsv")
    ]


def test_single_file_report_omits_split_per_corpus(messages: list[LabelledMessage]) -> None:
    split = prepare(as_corpus(messages), seed=42).report.split("Split 70/10/20")[1]
    assert len(split.splitlines()) == 5


def test_label_conflicts_are_listed_with_locations_and_labels(make_messages: Make) -> None:
    opposite = {HAM: SPAM, SPAM: HAM}
    made = make_messages(100)
    relabelled = [replace(near_duplicate_of(message, "b.tsv"), label=opposite[message.label]) for message in made[:30]]
    repeated = [replace(made[0], line=line) for line in range(200, 205)]
    rows = [*made, *relabelled, *repeated]
    examples, cleaning = clean(rows)
    report = describe_cleaning(rows, examples, cleaning)
    assert (cleaning.conflicting_clusters, cleaning.conflicts, cleaning.kept) == (30, 60, 70)
    assert f"Label conflicts: {CONFLICTS_SHOWN} of 30 clusters" in report
    listed = report.split("Label conflicts")[1].split("Longest")[0]
    assert f"  {CONFLICTS_SHOWN}.\n" in listed
    assert f"  {CONFLICTS_SHOWN + 1}.\n" not in listed
    first = listed.split("  1.\n")[1].split("  2.\n")[0].splitlines()
    assert [line.split()[:2] for line in first] == [
        [relabelled[0].label, "b.tsv:1"],
        *([made[0].label, f"made.tsv:{line}"] for line in (1, 200, 201)),
        [made[0].label, "and"],
    ]
    assert repr(relabelled[0].text)[:60] in first[0]
    assert first[-1].endswith("and 3 more rows")


@settings(max_examples=40)
@given(st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "L", "So"]), min_size=1))
def test_unprintable_characters_are_escaped_in_cleaning_report(make_messages: Make, text: str) -> None:
    rows = [
        *make_messages(50),
        LabelledMessage(f"{text} it is", HAM, "b.tsv", 7),
        LabelledMessage(f"{text} it is", SPAM, "b.tsv", 8),
    ]
    report = describe_cleaning(rows, *clean(rows))
    assert "b.tsv:7" in report
    assert "b.tsv:8" in report
    assert all(character.isprintable() or character == "\n" for character in report)


def test_cleaning_report_precedes_refusal_of_corpus(make_messages: Make) -> None:
    only_ham = [message for message in make_messages(90) if message.label == HAM]
    parts = check(as_corpus(only_ham), seed=42)
    assert next(parts).startswith("Cleaning\n        60  rows\n")
    with pytest.raises(InputError, match="holds no SPAM"):
        next(parts)


def run_check(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``--check`` with torch and transformers blocked."""
    (folder / "blocked").mkdir()
    for name in ("torch", "transformers"):
        (folder / "blocked" / f"{name}.py").write_text("raise RuntimeError('imported')")
    return subprocess.run(
        [sys.executable, "-m", "spam_edge.training", "--check", *arguments],
        capture_output=True, encoding="utf-8", check=False, cwd=folder,
        env={"PYTHONPATH": f"{folder / 'blocked'}:{ROOT}", "HF_HUB_OFFLINE": "1", "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip


def write_jsonl(path: Path, messages: list[LabelledMessage]) -> None:
    lines = (json.dumps({"text": message.text, "label": message.label}) + "\n" for message in messages)
    path.write_text("".join(lines), encoding="utf-8")


def test_check_prints_report_without_torch_or_training(tmp_path: Path, two_files: list[LabelledMessage]) -> None:
    write_jsonl(tmp_path / "a.jsonl", [message for message in two_files if message.file == "a.tsv"])
    write_jsonl(tmp_path / "b.jsonl", [message for message in two_files if message.file == "b.tsv"])
    completed = run_check(tmp_path, "--data", "a.jsonl", "--data", "b.jsonl")
    assert completed.returncode == 0, completed.stderr
    renamed = [replace(message, file=message.file.replace("tsv", "jsonl")) for message in two_files]
    renamed[120:] = [replace(message, line=line) for line, message in enumerate(renamed[120:], start=1)]
    assert completed.stdout == prepare(as_corpus(renamed), seed=42).report
    assert completed.stderr == "corpus: a.jsonl, b.jsonl (files: requested)\n"
    assert {path.name for path in tmp_path.iterdir()} == {"a.jsonl", "b.jsonl", "blocked"}


def test_check_reports_corpus_too_small_for_training(tmp_path: Path, make_messages: Make) -> None:
    write_jsonl(tmp_path / "few.jsonl", make_messages(20))
    completed = run_check(tmp_path, "--data", "few.jsonl")
    assert completed.returncode == 1
    assert "few.jsonl    20" in completed.stdout
    assert completed.stderr.splitlines()[-1].startswith("Error: 20 messages are left of 20 ")
