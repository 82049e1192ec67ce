"""Sound models of any shape, with random weights: sizes around those of registers, and all optional constants."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from spam_edge.runtime.batching import pad_rows
from tests.fuzz.models import Model, Tensor

_POSITIONS, _VOCABULARY = 70, 20
_WEIGHTS = np.iinfo(np.int8)


def models_of_any_shape(count: int, seed: int) -> Iterator[Model]:
    """Yield models that replace all inputs of another one; a seed always gives the same."""
    for number in range(count):
        yield _Maker(np.random.default_rng([seed, number])).model()


class _Maker:
    """Makes the inputs of one model in the order of the operator."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.arrays: list[NDArray[np.generic]] = []

    def model(self) -> Model:
        heads, layers, labels = (int(self.rng.integers(1, most)) for most in (5, 4, 6))
        channels, hidden = heads * int(self.rng.integers(1, 41)), int(self.rng.integers(1, 150))
        lengths = self.rng.integers(1, _POSITIONS + 1, self.rng.integers(1, 9))
        rows = [self.rng.integers(0, _VOCABULARY, length).tolist() for length in lengths]
        self.arrays += pad_rows(rows, pad_token_id=0)
        for size in (_VOCABULARY, _POSITIONS):
            self._table(size, channels)
        self._norm(channels)
        for _ in range(layers):
            self._layer(channels, hidden)
        self._floats((channels, channels), (channels,), (channels, labels), (labels,))
        replaced = {number: Tensor.of(array) for number, array in enumerate(self.arrays)}
        return Model([], layers, heads, 1e-12, replaced, len(replaced))

    def _floats(self, *shapes: tuple[int, ...]) -> None:
        self.arrays += [self.rng.normal(0, 0.3, shape).astype(np.float32) for shape in shapes]

    def _bytes(self, *shape: int) -> NDArray[np.int8]:
        """Return bytes; many are the smallest or the largest, whose products need all bits."""
        anything = self.rng.integers(_WEIGHTS.min, _WEIGHTS.max, shape, dtype=np.int8, endpoint=True)
        extremes = self.rng.choice([_WEIGHTS.min, _WEIGHTS.max], shape).astype(np.int8)
        return np.where(self.rng.random(shape) < self.rng.choice([0, 0.1, 0.9]), extremes, anything)

    def _table(self, rows: int, channels: int) -> None:
        scales = self.rng.uniform(0.001, 0.02, rows).astype(np.float32)
        places = self.rng.integers(0, 3, rows, dtype=np.int16)
        self.arrays += [self._bytes(rows, channels), scales, places, self._bytes(3, channels)]

    def _norm(self, channels: int) -> None:
        self._floats((channels,), (channels,))

    def _layer(self, channels: int, hidden: int) -> None:
        attention = self._input(channels)
        for _ in ("query", "key", "value"):
            self._linear(attention, channels, channels)
        self._linear(self._input(channels), channels, channels)
        self._linear(self._input(channels), channels, hidden)
        completed = self.rng.permutation(channels)[: self.rng.integers(0, 3)].astype(np.int32)
        self._linear(self._input(hidden), hidden, channels, completed)
        self._norm(channels)
        self._norm(channels)

    def _input(self, channels: int) -> list[NDArray[np.generic]]:
        """Return shares, repeated, offsets and limit: split channels, or 16 bits, or neither."""
        none = np.zeros(0, np.float32)
        more = int(self.rng.integers(0, 10)) * int(self.rng.integers(0, 2))
        if not more:
            limit = self.rng.uniform(0.5, 8, self.rng.integers(0, 2)).astype(np.float32)
            return [none, none.astype(np.int32), none, limit]
        shares = self.rng.choice([1, 0.5], channels).astype(np.float32)
        repeated = self.rng.integers(0, channels, more, dtype=np.int32)
        return [shares, repeated, self.rng.uniform(-0.5, 0.5, more).astype(np.float32), none]

    def _linear(
        self, taken: list[NDArray[np.generic]], channels: int, outputs: int, completed: NDArray[np.int32] | None = None
    ) -> None:
        if completed is None:
            completed = np.zeros(0, np.int32)
        columns = channels + taken[1].size
        scales = self.rng.uniform(0.1, 1, outputs) / (127 * np.sqrt(columns))
        self.arrays += [self._bytes(columns, outputs), scales.astype(np.float32)]
        self._floats((outputs,))
        remainder = self.rng.normal(0, 0.001, (completed.size, channels) if completed.size else 0).astype(np.float32)
        self.arrays += [*taken, completed, remainder]
