"""``python -m tests.benchmarks.labels`` with a tiny base model: samples, output and files."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from spam_edge.errors import SpamEdgeError
from spam_edge.training.data.corpus import prepare
from spam_edge.training.data.messages import SPAM, LabelledMessage
from spam_edge.training.data.readers import CorpusOptions
from spam_edge.training.data.sources import load_corpus
from spam_edge.training.data.splits import Example
from tests.benchmarks import labels
from tests.support.corpora import packaged

Splits = dict[str, list[Example]]


@pytest.fixture(scope="module")
def splits() -> Splits:
    return {split: list(examples) for split, examples in packaged().splits.items()}


@pytest.mark.parametrize("size", [64, 200, 1000])
def test_sample_has_requested_size_and_spam_share_of_corpus(splits: Splits, size: int) -> None:
    drawn = labels.few_labels(splits, size, seed=1)
    assert sum(map(len, drawn.values())) == size
    assert len(drawn["validation"]) == size / 8
    for split, examples in drawn.items():
        assert set(examples) <= set(splits[split])
        assert len(set(examples)) == len(examples)
        n_spam = sum(example.label == SPAM for example in examples)
        assert n_spam == pytest.approx(0.124 * len(examples), abs=0.6)


def test_smaller_sample_is_subset_and_seed_changes_sample(splits: Splits) -> None:
    small, large, other_seed = (
        labels.few_labels(splits, size, seed=seed)["train"] for size, seed in ((200, 1), (800, 1), (200, 2))
    )
    assert set(small) < set(large)
    assert small != other_seed
    assert labels.few_labels(splits, 200, seed=1)["train"] == small


def test_at_most_one_cluster_per_label_is_sampled_partially(splits: Splits) -> None:
    sizes, drawn = {}, {}
    for counts, examples in ((sizes, splits["train"]), (drawn, labels.few_labels(splits, 1000, seed=1)["train"])):
        for example in examples:
            counts[example.cluster] = counts.get(example.cluster, 0) + 1
    assert max(drawn.values()) > 1
    assert sum(drawn[cluster] < sizes[cluster] for cluster in drawn) <= 2  # at most one cluster per label is cut


def test_unlimited_sample_keeps_all_and_oversized_sample_is_refused(splits: Splits) -> None:
    assert labels.few_labels(splits, None, seed=1) == {split: splits[split] for split in ("train", "validation")}
    with pytest.raises(SpamEdgeError, match=r"cannot draw \d+ of \d+ HAM messages; choose another --sizes"):
        labels.few_labels(splits, 10**5, seed=1)


@pytest.mark.slow
def test_labels_benchmark_prints_table_and_writes_runs(
    tiny_base: Path, tmp_path: Path, make_messages: Callable[[int], list[LabelledMessage]]
) -> None:
    corpus = tmp_path / "made.jsonl"
    rows = [{"text": message.text, "label": message.label} for message in make_messages(120)]
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    arguments = ["--sizes", "40,all", "--draws", "2", "--data", str(corpus), "--base-model", str(tiny_base)]
    arguments += ["--epochs", "1", "--learning-rate", "5e-3", "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(labels.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    runs = json.loads((tmp_path / "out" / "labels.json").read_bytes())["runs"]
    assert [(run["size"], run["seed"]) for run in runs] == [(40, 42), (40, 43), ("all", 42)]
    assert [run["labels"] for run in runs[:2]] == [40, 40]
    test = prepare(load_corpus([str(corpus)], CorpusOptions()), seed=42).splits["test"]
    assert {run["test"]["n"] for run in runs} == {len(test)}  # each message is its own cluster
    assert all(run["settings"]["epochs"] == 1 and run["seconds"] > 0 for run in runs)
    table = result.stdout.splitlines()
    assert table[0] == "| labels | of them spam | seed | recall at 0.5 % FPR | F1 | PR-AUC | seconds |"
    assert table[2].startswith(f"| 40 | {runs[0]['spam']} | 42 | {runs[0]['test']['recall_at_fpr_0.5pct']:.3f} | ")
    assert len(table) == 7
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["labels.json"]


@pytest.mark.parametrize("sizes", ["many", "200,", "-5"])
def test_invalid_sizes_are_usage_errors(sizes: str) -> None:
    result = CliRunner().invoke(labels.main, ["--sizes", sizes])
    assert result.exit_code == 2
    assert "is neither a number nor all" in result.output
