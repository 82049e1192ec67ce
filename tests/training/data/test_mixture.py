"""Composition of an epoch: the repeated corpus and a share of the templates, each used equally often."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.errors import InputError
from spam_edge.training.data.mixture import mix
from spam_edge.training.data.notices import NOTICES, Template
from spam_edge.training.data.splits import Example
from spam_edge.training.settings import TrainingSettings

CORPUS = [Example(f"message {n}", "HAM", n) for n in range(5)]


def notices(count: int) -> list[Example]:
    return [
        Example(f"notice {n}", "SPAM", 100 + n, (NOTICES,), "prize", Template("SPAM", "prize", "uk", "formal", "", "x"))
        for n in range(count)
    ]


@given(st.integers(1, 40), st.floats(0.01, 1), st.integers(1, 3), st.integers(1, 5), st.integers(0, 99))
def test_epochs_repeat_corpus_and_use_templates_equally_often(
    count: int, share: float, repeats: int, epochs: int, seed: int
) -> None:
    settings = TrainingSettings(template_share=share, corpus_repeats=repeats, epochs=epochs, seed=seed)
    examples = [*CORPUS, *notices(count)]
    mixed = [mix(examples, settings, epoch) for epoch in range(epochs)]
    assert len({len(epoch) for epoch in mixed}) == 1
    for epoch in mixed:
        epoch_counts = Counter(example.text for example in epoch)
        assert {epoch_counts[example.text] for example in CORPUS} == {repeats}
        assert sum(epoch_counts.values()) - len(CORPUS) * repeats == max(1, round(share * count))
    counts = Counter(example.text for epoch in mixed for example in epoch if example.template)
    template_counts = [counts[example.text] for example in examples if example.template]
    assert max(template_counts) - min(template_counts) <= 1


def test_epoch_without_templates_is_unchanged_corpus() -> None:
    assert mix(CORPUS, TrainingSettings(), 3) == CORPUS


def test_seed_determines_template_order() -> None:
    first, second, first_again = (mix(notices(40), TrainingSettings(seed=seed)) for seed in (1, 2, 1))
    assert first == first_again
    assert first != second


@pytest.mark.parametrize("share", [0, -0.5, 1.5])
def test_invalid_template_share_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="template share"):
        TrainingSettings(template_share=share)
