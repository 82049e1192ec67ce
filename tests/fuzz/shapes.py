"""Sound models of any shape, with random weights: sizes around those of registers, and all optional constants."""

from collections.abc import Iterator

import numpy as np

from spam_edge.runtime.batching import pad_rows
from tests.fuzz.models import Model, Tensor
from tests.support.fused_models import INPUTS, POSITIONS, VOCABULARY, Sizes, random_constants


def models_of_any_shape(count: int, seed: int) -> Iterator[Model]:
    """Yield models that replace all inputs of another one; a seed always gives the same."""
    for number in range(count):
        yield _model(np.random.default_rng([seed, number]))


def _model(rng: np.random.Generator) -> Model:
    heads, layers, labels = (int(rng.integers(1, most)) for most in (5, 4, 6))
    sizes = Sizes(
        heads=heads,
        size=int(rng.integers(1, 41)),
        hidden=int(rng.integers(1, 150)),
        layers=layers,
        labels=labels,
        repeated=int(rng.integers(0, 10) * rng.integers(0, 2)),
        fine=int(rng.integers(0, INPUTS + 1)),
        completed=int(rng.integers(0, 3)),
    )
    lengths = rng.integers(1, POSITIONS + 1, rng.integers(1, 9))
    batch = pad_rows([rng.integers(0, VOCABULARY, length).tolist() for length in lengths], pad_token_id=0)
    arrays = [*batch, *random_constants(rng, sizes)]
    replaced = {number: Tensor.of(array) for number, array in enumerate(arrays)}
    return Model([], layers, heads, 1e-12, replaced, len(replaced))
