"""Length-grouped batches in random order."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers import Trainer

from spam_edge.training.model.encoding import TrainingMessages
from spam_edge.training.model.optimizer import make_optimizer

_BATCHES_PER_POOL = 24


class ShuffledLengthGroupedSampler(Sampler[int]):
    """Sort random pools of 24 batches by length, cut them into batches, and shuffle all batches.

    The sampler behind ``group_by_length`` yields each pool of 50 batches from longest to shortest. Spam is long, so
    the model sees only ham for a dozen steps and then a run of spam. Measured on validation (packaged base and corpus,
    5e-5, 3 epochs, one seed, pools of 8): PR-AUC 0.992 instead of 0.986, loss 0.044 instead of 0.061. With the notices,
    pools of 8 have 20 % of padding, and pools of 24 have 8 %.

    Args:
        lengths: shape (n,), tokens of each message.
        batch_size: messages per batch; the last batch may be smaller.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int) -> None:
        self._lengths = lengths
        self._batch_size = batch_size

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        """Yield n indices. The order comes from torch's global generator, whose state the Trainer checkpoints."""
        order = torch.randperm(len(self._lengths)).tolist()
        pools = _chunks(order, self._batch_size * _BATCHES_PER_POOL)
        batches = [
            batch
            for pool in pools
            for batch in _chunks(sorted(pool, key=lambda index: self._lengths[index]), self._batch_size)
        ]
        # The DataLoader cuts the stream at multiples of the batch size, so the smaller batch must come last.
        whole = [batch for batch in batches if len(batch) == self._batch_size]
        rest = [batch for batch in batches if len(batch) < self._batch_size]
        for position in torch.randperm(len(whole)).tolist():
            yield from whole[position]
        for batch in rest:
            yield from batch


class LengthGroupedTrainer(Trainer):
    """A ``Trainer`` that draws its training batches with :class:`ShuffledLengthGroupedSampler`.

    Args:
        head_factor: learning rate of the head as a multiple of the encoder's.
        options: passed to ``Trainer``.
    """

    def __init__(self, *, head_factor: float, **options: Any) -> None:
        super().__init__(**options)
        self._head_factor = head_factor

    def create_optimizer(self) -> torch.optim.Optimizer:
        """Create the optimiser of :func:`make_optimizer` on the first call."""
        if self.optimizer is None:
            model: Any = self.model
            self.optimizer = make_optimizer(
                model,
                learning_rate=self.args.learning_rate,
                head_factor=self._head_factor,
                weight_decay=self.args.weight_decay,
            )
        return self.optimizer

    def _get_train_sampler(self, train_dataset: object = None) -> Sampler[int]:
        messages: TrainingMessages = self.train_dataset  # type: ignore[assignment]
        return ShuffledLengthGroupedSampler(messages.lengths, self.args.train_batch_size)


def _chunks(items: list[int], size: int) -> list[list[int]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
