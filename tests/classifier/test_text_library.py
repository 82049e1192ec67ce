"""The text library gives the same results as the Python encoder."""

from pathlib import Path

import numpy as np
import pytest

from spam_edge import RuntimeOptions, SpamClassifier
from tests.support.text_library import without_text_library
from tests.text.disguised_texts import BORDERS, WORDS

TEXTS = [
    *BORDERS,
    *(f"{first} {second} & 5" for first in WORDS[:20] for second in WORDS[-20:]),
    *("", "£5 fr33", "free \u2019til 5", "[SEP] free", "fr\u200bee", "free " * 3000, "x" * 9000, "漢 free"),
] * 2


@pytest.mark.parametrize("threads", [1, 2])
def test_results_are_equal_with_and_without_text_library(tiny_bundle: Path, threads: int) -> None:
    threshold = float(np.median(SpamClassifier.load(tiny_bundle).score(TEXTS)))  # some messages are rescored
    options = RuntimeOptions(device="cpu", exact=True, threads=threads, threshold=threshold)
    using = SpamClassifier.load(tiny_bundle, options)
    with without_text_library():
        without = SpamClassifier.load(tiny_bundle, options)
    assert using.classify_batch(TEXTS) == without.classify_batch(TEXTS)
    assert using.rescored == without.rescored > 0
    assert np.array_equal(using.logits(TEXTS), without.logits(TEXTS))
    assert np.array_equal(using.score(TEXTS), without.score(TEXTS))
    assert using.token_ids(TEXTS) == without.token_ids(TEXTS)
    assert list(using.classify_stream(TEXTS, window=600)) == without.classify_batch(TEXTS)
    assert using._encoder._native is not None
    assert without._encoder._native is None


def test_predictions_have_builtin_python_types(tiny_bundle: Path) -> None:
    for prediction in SpamClassifier.load(tiny_bundle).classify_batch(["free", "x" * 9000, "£5", "win " * 99]):
        assert [type(value) for value in (prediction.score, prediction.truncated, prediction.disguised)] == [
            float,
            bool,
            bool,
        ]
