"""Batches contain each row once, stay within the token budget, and are padded to their longest row."""

from hypothesis import given
from hypothesis import strategies as st

from spam_edge.runtime.batching import distinct_rows, pad_rows, plan_batches


@given(st.lists(st.integers(2, 128), max_size=200), st.integers(1, 600))
def test_every_row_is_in_one_batch_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = [list(map(int, batch)) for batch in plan_batches(lengths, token_budget=budget)]
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(batches)
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= budget


@given(st.lists(st.integers(2, 128), min_size=1, max_size=50))
def test_batches_go_from_short_to_long(lengths: list[int]) -> None:
    in_order = [lengths[index] for batch in plan_batches(lengths) for index in batch]
    assert in_order == sorted(lengths)


def test_a_budget_is_used_up() -> None:
    assert [len(batch) for batch in plan_batches([10] * 7, token_budget=30)] == [3, 3, 1]


def test_padding() -> None:
    ids, mask = pad_rows([[101, 102], [101, 7, 8, 102]], pad_token_id=9)
    assert ids.tolist() == [[101, 102, 9, 9], [101, 7, 8, 102]]
    assert mask.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]


@given(st.lists(st.lists(st.integers(0, 2), max_size=3)))
def test_distinct_rows_stand_for_all(rows: list[list[int]]) -> None:
    distinct, which = distinct_rows(rows)
    assert len(set(distinct)) == len(distinct)
    assert [list(distinct[index]) for index in which] == rows
    assert which.dtype.kind == "i"
