"""Deduplication: equal rows run once per call, and every copy gets a score bit-identical to its own run."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.runtime.batching import Batch
from spam_edge.runtime.session import Session

TINY = Path(__file__).parents[1] / "data" / "tiny_bundle"
TEXTS = [
    "WINNER!! Call 09061701461 to claim your prize",
    "see you at 5 then",
    "",
    "free lift to the pub",
    "ok",
    "ok ok",
]
SAME_TOKENS = ["See you  at 5 THEN", "\tsee you at 5 then\n", "ok\u200b", " "]


class RecordingSession:
    """A session that records the rows it runs."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.rows: list[list[int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run_all(self, batches: Sequence[Batch]) -> list[NDArray[np.float32]]:
        self.rows += [row[mask == 1].tolist() for ids, masks in batches for row, mask in zip(ids, masks, strict=True)]
        return self._session.run_all(batches)


def _load_recording(bundle: Path, threads: int = 1) -> tuple[SpamClassifier, RecordingSession]:
    classifier: Any = SpamClassifier.load(bundle, RuntimeOptions(device="cpu", threads=threads))
    classifier._session = RecordingSession(classifier._session)
    return classifier, classifier._session


@pytest.fixture(scope="module")
def single_scores() -> dict[str, float]:
    """Score of each message classified alone."""
    classifier = SpamClassifier.load(TINY, RuntimeOptions(device="cpu", threads=1))
    return {text: classifier.classify(text).score for text in TEXTS + SAME_TOKENS}


@given(texts=st.lists(st.sampled_from(TEXTS + SAME_TOKENS), max_size=40), threads=st.sampled_from([1, 2]))
def test_duplicate_rows_run_once_with_equal_scores(
    single_scores: dict[str, float], texts: list[str], threads: int
) -> None:
    classifier, session = _load_recording(TINY, threads)
    assert [prediction.score for prediction in classifier.classify_batch(texts)] == [
        single_scores[text] for text in texts
    ]
    assert sorted(session.rows) == sorted(map(list, {tuple(ids) for ids in classifier.token_ids(texts)}))


def test_score_and_logits_deduplicate_rows(single_scores: dict[str, float]) -> None:
    classifier, session = _load_recording(TINY)
    texts = TEXTS * 3
    assert classifier.score(texts).tolist() == [single_scores[text] for text in texts]
    logits = classifier.logits(texts)
    assert logits.shape == (len(texts), 2)
    assert np.array_equal(logits[: len(TEXTS)], logits[-len(TEXTS) :])
    assert len(session.rows) == 2 * len(TEXTS)


def test_stream_deduplicates_rows_within_window(single_scores: dict[str, float]) -> None:
    classifier, session = _load_recording(TINY)
    texts = [TEXTS[0]] * 10
    scores = [prediction.score for prediction in classifier.classify_stream(texts, window=4)]
    assert scores == [single_scores[TEXTS[0]]] * 10
    assert len(session.rows) == 3  # windows of 4, 4 and 2


def test_duplicate_rows_keep_separate_truncated_flags() -> None:
    classifier, session = _load_recording(TINY)
    fits = "see " * (classifier.manifest.max_length - 2)
    predictions = classifier.classify_batch([fits, fits + "you", fits])
    assert [prediction.truncated for prediction in predictions] == [False, True, False]
    assert len({prediction.score for prediction in predictions}) == 1
    assert len(session.rows) == 1


def test_exact_mode_rescores_duplicate_rows_once(bundle_copy: Path) -> None:
    path = bundle_copy / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    for variant in manifest["variants"].values():
        variant["error_band"] = 1e6  # every message is rescored
    path.write_text(json.dumps(manifest), encoding="utf-8")
    classifier: Any = SpamClassifier.load(bundle_copy, RuntimeOptions(device="cpu", threads=1, exact=True))
    fast, reference = RecordingSession(classifier._session._fast), RecordingSession(classifier._session._reference)
    classifier._session._fast, classifier._session._reference = fast, reference
    once = classifier.score(TEXTS)
    assert classifier.score(TEXTS * 4).tolist() == once.tolist() * 4
    assert sorted(fast.rows) == sorted(reference.rows) == sorted(classifier.token_ids(TEXTS) * 2)
    assert classifier.rescored == 2 * len(TEXTS)  # two calls
