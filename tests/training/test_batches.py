from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.training.batches import ShuffledLengthGroupedSampler


@given(st.lists(st.integers(2, 128), max_size=300), st.integers(1, 20))
def test_sampler_yields_every_message_once(lengths: list[int], batch_size: int) -> None:
    sampler = ShuffledLengthGroupedSampler(lengths, batch_size)
    assert sorted(sampler) == list(range(len(lengths)))
    assert len(sampler) == len(lengths)


def test_batches_group_similar_lengths_in_random_order() -> None:
    torch.manual_seed(0)
    lengths = torch.randint(5, 100, (1000,)).tolist()
    order = list(ShuffledLengthGroupedSampler(lengths, 10))
    batches = [[lengths[i] for i in order[start : start + 10]] for start in range(0, 1000, 10)]
    padded = sum(len(batch) * max(batch) for batch in batches)
    assert padded < 1.2 * sum(lengths)  # random batches of 10: 1.8
    longest = torch.tensor([[max(a), max(b)] for a, b in pairwise(batches)]).float()
    assert abs(torch.corrcoef(longest.T)[0, 1].item()) < 0.3


def test_batch_order_follows_global_rng_and_changes_per_epoch() -> None:
    sampler = ShuffledLengthGroupedSampler([5, 6, 7, 8] * 50, 4)
    torch.manual_seed(1)
    first, second = list(sampler), list(sampler)
    torch.manual_seed(1)
    assert list(sampler) == first
    assert first != second
