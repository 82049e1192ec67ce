"""Token rows packed into arrays give the same rows as lists in every operation."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.runtime.batching import pad_rows
from spam_edge.text.rows import TokenRows, merge
from spam_edge.text.tokenization import TokenIds

few_ids = st.lists(st.integers(0, 2), min_size=1, max_size=3)
token_ids = st.builds(
    TokenIds, st.one_of(few_ids, st.lists(st.integers(0, 2**40), min_size=1, max_size=40)), st.booleans()
)
row_lists = st.lists(token_ids, max_size=30)


def _unpacked(rows: TokenRows) -> list[TokenIds]:
    return list(map(TokenIds, rows.to_lists(), rows.truncated.tolist()))


@given(rows=row_lists)
def test_packed_rows_unpack_to_original_rows(rows: list[TokenIds]) -> None:
    assert _unpacked(TokenRows.of(rows)) == rows


@given(rows=row_lists, data=st.data())
def test_take_returns_rows_at_given_indices(rows: list[TokenIds], data: st.DataObject) -> None:
    indices = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=10)) if rows else []
    taken = TokenRows.of(rows).take(np.array(indices, dtype=np.intp))
    assert _unpacked(taken) == [rows[index] for index in indices]


@given(rows=row_lists, data=st.data())
def test_distinct_rows_and_indices_reproduce_all_rows(rows: list[TokenIds], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(rows))))
    distinct, inverse = TokenRows.of(rows).take(np.array(order, dtype=np.intp)).distinct()
    expected = dict.fromkeys(tuple(rows[index].ids) for index in order)
    assert distinct.to_lists() == list(map(list, expected))
    assert [distinct.to_lists()[index] for index in inverse] == [rows[index].ids for index in order]


@given(rows=st.lists(token_ids, min_size=1, max_size=30), data=st.data())
def test_rows_are_padded_to_longest_selected_row(rows: list[TokenIds], data: st.DataObject) -> None:
    indices = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=10))
    ids, mask = TokenRows.of(rows).pad(np.array(indices), pad_token_id=9)
    expected_ids, expected_mask = pad_rows([rows[index].ids for index in indices], pad_token_id=9)
    assert (ids.dtype, mask.dtype) == (np.int64, np.int64)
    assert ids.tolist() == expected_ids.tolist()
    assert mask.tolist() == expected_mask.tolist()


@given(rows=row_lists, others=row_lists, data=st.data())
def test_merge_replaces_rows_and_appends_rest(
    rows: list[TokenIds], others: list[TokenIds], data: st.DataObject
) -> None:
    limit = min(len(rows), len(others))
    places = sorted(data.draw(st.permutations(range(len(rows))))[: data.draw(st.integers(0, limit))])
    expected = [*rows, *others[len(places) :]]
    for place, row in zip(places, others, strict=False):
        expected[place] = row
    merged = merge(TokenRows.of(rows), TokenRows.of(others), np.array(places, dtype=np.intp))
    assert _unpacked(merged) == expected
