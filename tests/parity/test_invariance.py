"""Batch invariance: a message's score is bit-identical alone, in any batch, in any order and with any padding."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.bundle.locate import Bundle
from spam_edge.runtime.batching import pad_rows
from spam_edge.runtime.session import Session, open_session
from tests.support.bundles import BUNDLES, ROOT


def _messages() -> list[str]:
    """Return the golden texts, and concatenations of them, for a range of lengths."""
    lines = (ROOT / "export" / "parity" / "golden_texts.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    choose = random.Random(0)
    return texts + [
        " ".join(choose.choices(texts, k=choose.randint(2, 4)))[: choose.randint(5, 300)] for _ in range(60)
    ]


MESSAGES = _messages()


@pytest.fixture(scope="module", params=BUNDLES)
def options(request: pytest.FixtureRequest, int8_variant: str) -> tuple[Path, RuntimeOptions]:
    """A bundle and the options for each of its int8 variants."""
    if int8_variant not in Bundle.find(request.param).manifest.variants:
        pytest.skip(f"the bundle has no {int8_variant} variant")
    return request.param, RuntimeOptions(device="cpu", variant=int8_variant, threads=1)


@pytest.fixture(scope="module")
def classifier_and_scores(options: tuple[Path, RuntimeOptions]) -> tuple[SpamClassifier, list[float]]:
    """A classifier and the score of each message classified alone."""
    classifier = SpamClassifier.load(*options)
    return classifier, [classifier.classify(text).score for text in MESSAGES]


@pytest.fixture(scope="module")
def session(classifier_and_scores: tuple[SpamClassifier, list[float]]) -> Session:
    """A session of the classifier."""
    classifier, _ = classifier_and_scores
    return open_session(classifier.bundle, classifier.options)


@settings(max_examples=30)
@given(chosen=st.lists(st.integers(0, len(MESSAGES) - 1), min_size=1, max_size=40))
def test_scores_are_independent_of_batch(
    classifier_and_scores: tuple[SpamClassifier, list[float]], chosen: list[int]
) -> None:
    classifier, alone = classifier_and_scores
    batch = classifier.classify_batch([MESSAGES[index] for index in chosen])
    assert [prediction.score for prediction in batch] == [alone[index] for index in chosen]


@pytest.mark.parametrize("window", [1, 7, 1000])
def test_scores_are_independent_of_stream_window(
    classifier_and_scores: tuple[SpamClassifier, list[float]], window: int
) -> None:
    classifier, alone = classifier_and_scores
    assert [prediction.score for prediction in classifier.classify_stream(MESSAGES, window=window)] == alone


@settings(max_examples=20)
@given(index=st.integers(0, len(MESSAGES) - 1), extra=st.integers(1, 100), rows=st.integers(1, 8))
def test_logits_are_independent_of_padding(
    classifier_and_scores: tuple[SpamClassifier, list[float]], session: Session, index: int, extra: int, rows: int
) -> None:
    classifier, _ = classifier_and_scores
    manifest = classifier.manifest
    [ids] = classifier.token_ids([MESSAGES[index]])
    alone = session.run(*pad_rows([ids], pad_token_id=manifest.pad_token_id))
    longest = min(len(ids) + extra, manifest.max_length)
    padded = session.run(*pad_rows([ids] * rows + [[ids[0]] * longest], pad_token_id=manifest.pad_token_id))
    assert np.array_equal(padded[:rows], np.repeat(alone, rows, axis=0))


def test_scores_are_independent_of_thread_count(classifier_and_scores: tuple[SpamClassifier, list[float]]) -> None:
    classifier, alone = classifier_and_scores
    two = SpamClassifier.load(classifier.bundle.path, replace(classifier.options, threads=2))
    assert two.score(MESSAGES).tolist() == alone
