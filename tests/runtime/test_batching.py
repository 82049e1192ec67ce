"""Batches contain each row once, stay within the token budget, and are padded to their longest row."""

from collections.abc import Iterator, Sequence

from hypothesis import given
from hypothesis import strategies as st

from spam_edge.runtime.batching import pad_rows, plan_batches


@given(st.lists(st.integers(2, 128), max_size=200), st.integers(1, 600))
def test_each_row_is_in_one_batch_within_token_budget(lengths: list[int], budget: int) -> None:
    batches = [list(map(int, batch)) for batch in plan_batches(lengths, token_budget=budget)]
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(batches)
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= budget


@given(st.lists(st.integers(2, 128), min_size=1, max_size=50))
def test_batches_are_ordered_by_row_length(lengths: list[int]) -> None:
    in_order = [lengths[index] for batch in plan_batches(lengths) for index in batch]
    assert in_order == sorted(lengths)


def _row_by_row(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Plan batches by the definition: a row joins the batch before it if the budget allows."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[index] > budget:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


@given(st.lists(st.one_of(st.integers(1, 5), st.integers(1, 128)), max_size=300), st.integers(1, 900))
def test_batches_match_row_by_row_reference_plan(lengths: list[int], budget: int) -> None:
    planned = plan_batches(lengths, token_budget=budget)
    assert [batch.tolist() for batch in planned] == list(_row_by_row(lengths, budget))


def test_batches_fill_token_budget() -> None:
    assert [len(batch) for batch in plan_batches([10] * 7, token_budget=30)] == [3, 3, 1]


def test_rows_are_padded_to_longest_row() -> None:
    ids, mask = pad_rows([[101, 102], [101, 7, 8, 102]], pad_token_id=9)
    assert ids.tolist() == [[101, 102, 9, 9], [101, 7, 8, 102]]
    assert mask.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
