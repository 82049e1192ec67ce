"""What is added to the training side, and that nothing which is tested is among it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from spam_edge.training import near_duplicates, notices
from spam_edge.training.corpus import Prepared, prepare
from spam_edge.training.disguises import ham_controls
from spam_edge.training.messages import Message
from spam_edge.training.notices import with_notices
from spam_edge.training.readers import ReadOptions, read_messages
from spam_edge.training.sources import load_corpus

FILE = Path(notices.__file__).with_name("notices.tsv")


@pytest.fixture(scope="module")
def written() -> list[Message]:
    return list(read_messages(FILE, ReadOptions()))


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return prepare(load_corpus(["packaged"], ReadOptions()), seed=42)


def test_they_have_both_labels_and_differ_from_each_other_and_from_the_controls(written: list[Message]) -> None:
    texts = [notice.text for notice in written]
    controls = [text for family in ham_controls().values() for text in family]
    clusters = near_duplicates.cluster([*texts, *controls])
    assert {notice.label for notice in written} == {"HAM", "SPAM"}
    assert len(set(clusters[: len(texts)])) == len(texts)
    assert not set(clusters[: len(texts)]) & set(clusters[len(texts) :])


def test_they_are_trained_on_and_never_tested_on(prepared: Prepared, written: list[Message]) -> None:
    more = with_notices(prepared)
    assert {side: more.sides[side] for side in ("validation", "test")} == {
        side: prepared.sides[side] for side in ("validation", "test")
    }
    before = prepared.sides["train"]
    added = more.sides["train"][len(before) :]
    assert more.sides["train"][: len(before)] == before
    assert {(e.text, e.label) for e in added} <= {(notice.text, notice.label) for notice in written}
    assert {e.corpus for e in added} == {("notices",)}
    assert not {e.cluster for e in added} & {e.cluster for rows in prepared.sides.values() for e in rows}
    assert len(added) > 0.9 * len(written)
    assert more.fingerprint != prepared.fingerprint
    assert more.corpus.name == f"{prepared.corpus.name}, with {len(added)} notices in training"


def test_one_that_resembles_a_message_held_out_is_left_out(tmp_path: Path, written: list[Message]) -> None:
    """The corpus is made of notices, renumbered: what its test side holds must not come back as a training message."""
    path = tmp_path / "corpus.tsv"
    rows = [f"{notice.label}\t{notice.text.translate(str.maketrans('123', '456'))}" for notice in written]
    path.write_text("\n".join(rows), encoding="utf-8")
    more = with_notices(prepare(load_corpus([str(path)], ReadOptions()), seed=42))
    held_out = [e.text for side in ("validation", "test") for e in more.sides[side]]
    added = [e.text for e in more.sides["train"] if e.corpus == (notices.NAME,)]
    clusters = near_duplicates.cluster([*added, *held_out])
    assert not set(clusters[: len(added)]) & set(clusters[len(added) :])
    assert 0 < len(added) < len(written)


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "added"), [((), set()), (("--notices",), {"notices"})])
def test_the_command_adds_them_where_it_is_told_to(
    corpus_file: Path, tiny_base: Path, tmp_path: Path, arguments: tuple[str, ...], added: set[str]
) -> None:
    subprocess.run(
        [sys.executable, "-m", "spam_edge.training", "--data", corpus_file, "--base-model", tiny_base, "--epochs", "1",
         "--output", tmp_path / "out", *arguments],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    record = json.loads((tmp_path / "out" / "training.json").read_text(encoding="utf-8"))
    assert record["splits"]["train"]["by_corpus"].keys() == {str(corpus_file)} | added
    assert record["splits"]["test"]["by_corpus"].keys() == {str(corpus_file)}
