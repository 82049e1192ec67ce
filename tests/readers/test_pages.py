"""Limits on Parquet: data that unpacks to gigabytes is refused or read in small batches."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.errors import InputError
from spam_edge.readers import extraction, pages
from spam_edge.readers.parquet_footer import Chunk, read_row_groups
from spam_edge.readers.thrift import Thrift
from spam_edge.readers.windows import ReadOptions, Window, read_windows
from tests.support.memory import MIB, needs_proc, peak_of_command

TABLE = pa.table(
    {
        "text": [f"message {number} " + "x" * (number % 7) for number in range(5_000)],
        "kind": ["a", "b"] * 2_500,
        "n": range(5_000),
        "words": [["a", "b"][: number % 3] for number in range(5_000)],
        "long": ["y" * 6_000, *[None] * 4_999],
    }
)


def written(path: Path, table: pa.Table = TABLE, **options: Any) -> Path:
    pq.write_table(table, path, **options)
    return path


def decompression_bomb(path: Path, rows: int) -> Path:
    """Write a file in which every row refers to the same message of 1 MiB in the dictionary."""
    numbers = pa.array([0] * rows, pa.int32())
    table = pa.table({"text": pa.DictionaryArray.from_arrays(numbers, ["see you " * (MIB // 8)])})
    return written(path, table, compression="zstd", store_schema=False)


def bounds(path: Path, column: str | None = None) -> list[int | None]:
    return pages.row_bounds(path, path.name, read_row_groups(path), pq.ParquetFile(path).schema, column)


def chunk_of(path: Path, group: int) -> Chunk:
    return read_row_groups(path)[group].chunks[0]


def windows(path: Path) -> list[Window]:
    return list(read_windows(path, ReadOptions()))


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_page_sizes_add_up_to_column_size(tmp_path: Path, version: str, compression: str, dictionary: bool) -> None:
    options = {"data_page_version": version, "compression": compression, "use_dictionary": dictionary}
    path = written(tmp_path / "a.parquet", row_group_size=2_000, data_page_size=4_096, **options)
    metadata = pq.ParquetFile(path).metadata
    with path.open("rb") as stream:
        for index, group in enumerate(read_row_groups(path)):
            for number, chunk in enumerate(group.chunks):
                expected = metadata.row_group(index).column(number)
                sizes = [page.unpacked for page in pages.pages_of(stream, chunk)]
                headers = 200 * len(sizes) + 13_000 * (
                    expected.path_in_schema == "long"
                )  # with its minimum and maximum
                assert 0 <= expected.total_uncompressed_size - sum(sizes) <= headers
    assert None not in bounds(path)


def test_parsed_footer_matches_pyarrow_metadata(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", row_group_size=2_000)
    metadata = pq.ParquetFile(path).metadata
    for index, group in enumerate(read_row_groups(path)):
        expected = metadata.row_group(index)
        assert (group.rows, group.unpacked) == (expected.num_rows, expected.total_byte_size)
        for number, chunk in enumerate(group.chunks):
            column = expected.column(number)
            start = min(column.data_page_offset, column.dictionary_page_offset or column.data_page_offset)
            assert (chunk.values, chunk.start, chunk.size) == (column.num_values, start, column.total_compressed_size)


def test_row_bound_depends_only_on_text_columns(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", use_dictionary=False, data_page_size=2**30)
    [numbers] = bounds(path, "n")
    [text] = bounds(path, "text")
    [everything] = bounds(path)
    assert numbers == 0
    assert text is not None
    assert everything is not None
    assert sum(len(value) for value in TABLE["text"].to_pylist()) < text < everything


def test_repeated_large_value_is_read_in_small_batches(tmp_path: Path) -> None:
    path = decompression_bomb(tmp_path / "bomb.parquet", 3_000)
    assert path.stat().st_size < 10_000
    with pq.ParquetFile(path) as opened:
        batches = pages.bounded_batches(opened, read_row_groups(path), bounds(path), rows=1_024)
        assert [next(batches).num_rows for _ in range(3)] == [63, 63, 63]
    assert len(windows(decompression_bomb(path, 20))[0]) == 16  # 16 Mi characters


@needs_proc
@pytest.mark.slow
def test_repeated_large_value_takes_bounded_memory(tmp_path: Path, tiny_bundle: Path) -> None:
    path = decompression_bomb(tmp_path / "bomb.parquet", 500)
    options = ["--model", str(tiny_bundle), "--device", "cpu"]
    outputs = {"classify": "verdicts.txt", "batch": "verdicts.parquet"}
    for command, name in outputs.items():
        peak = peak_of_command([command, str(path), *options, "-o", str(tmp_path / name)], cwd=tmp_path)
        assert peak < 800 * MIB, command


def test_page_above_size_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.parquet", pa.table({"text": ["a", "x" * 100_000]}), compression="zstd")
    monkeypatch.setattr(pages, "PAGE_BYTES", 99_999)
    reason = r"a\.parquet: row group 1, column 'text': a page unpacks to 100,\d+ bytes, and 99,999 is the most; write"
    with pytest.raises(InputError, match=reason):
        windows(path)


def test_large_page_of_unread_column_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.parquet", pa.table({"text": ["a", "b"], "other": ["x" * 100_000, "y"]}))
    monkeypatch.setattr(pages, "PAGE_BYTES", 99_999)
    assert [message.text for window in windows(path) for message in window.messages] == ["a", "b"]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_too_long_value_makes_only_its_row_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: pa.DataType
) -> None:
    monkeypatch.setattr(extraction, "LONGEST_LINE", 100)
    texts = pa.array(["x" * 100, "ü" * 51, None, "fine"]).cast(kind)
    [window] = windows(written(tmp_path / "a.parquet", pa.table({"text": texts})))
    assert [(message.line, message.text) for message in window.messages] == [(1, "x" * 100), (4, "fine")]
    assert (window.bad[0].line, window.bad[0].reason, window.bad[0].kind) == (
        2,
        "the text is longer than 100 bytes",
        "length",
    )


def test_damaged_page_header_fails_at_its_row_group(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", pa.table({"text": ["a"] * 2_048}), row_group_size=1_024)
    content = bytearray(path.read_bytes())
    start = chunk_of(path, 1).start
    content[start : start + 8] = b"\xff" * 8
    path.write_bytes(content)
    remaining = read_windows(path, ReadOptions())
    assert len(next(remaining).messages) == 1_024
    with pytest.raises(
        InputError, match=r"cannot be read as Parquet .row group 2 has a page header that cannot be read"
    ):
        next(remaining)


REFUSED = r"l\.parquet: row group 1: its lists may unpack to [\d,]+ bytes, and [\d,]+ is the most for their size"


class TestLists:
    """Columns of lists, where one row may hold all values of its row group."""

    @pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip", "brotli", "lz4"])
    def test_large_value_repeated_in_one_row_is_refused(self, tmp_path: Path, compression: str) -> None:
        value = pa.DictionaryArray.from_arrays(pa.array([0] * 10_000, pa.int32()), ["y" * MIB])
        table = pa.table({"text": ["hi"], "l": pa.ListArray.from_arrays(pa.array([0, 10_000], pa.int32()), value)})
        path = written(tmp_path / "l.parquet", table, store_schema=False, compression=compression)
        assert path.stat().st_size < 2 * MIB
        with pytest.raises(InputError, match=REFUSED):
            bounds(path)

    @pytest.mark.parametrize(
        ("values", "options"),
        [
            ([[0] * 5_000_000], {}),
            ([[None] * 5_000_000], {"compression": "none"}),
            ([[[]] * 5_000_000], {}),
            (
                [["y" * 10_000] * 7_000],
                {"use_dictionary": False, "column_encoding": {"l.list.element": "DELTA_BYTE_ARRAY"}},
            ),
        ],
        ids=["numbers", "nulls", "lists", "prefixes"],
    )
    def test_huge_list_of_small_values_is_refused(
        self, tmp_path: Path, values: list[Any], options: dict[str, Any]
    ) -> None:
        kind = pa.list_(pa.list_(pa.int8())) if values[0][0] == [] else None
        path = written(tmp_path / "l.parquet", pa.table({"l": pa.array(values, kind)}), **options)
        assert path.stat().st_size < MIB
        with pytest.raises(InputError, match=REFUSED):
            bounds(path)

    def test_lists_in_proportion_to_file_size_are_read(self, tmp_path: Path) -> None:
        numbers = pa.array(range(5_000_000), pa.int32())
        offsets = pa.array(range(0, 5_000_001, 100), pa.int32())
        table = pa.table({"text": ["hi"] * 50_000, "l": pa.ListArray.from_arrays(offsets, numbers)})
        [bound] = bounds(written(tmp_path / "l.parquet", table))
        assert bound is not None
        assert 400 <= bound < 100 * 40

    @pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip", "brotli", "lz4"])
    def test_list_bound_uses_longest_dictionary_entry(self, tmp_path: Path, compression: str) -> None:
        """The dictionary page may be a thousand times as long as its longest entry."""
        words = [[f"word {number % 5_000}"] * 10 for number in range(20_000)]
        table = pa.table({"text": ["hi"] * 20_000, "l": words})
        [bound] = bounds(written(tmp_path / "l.parquet", table, compression=compression))
        assert bound is not None
        assert bound < 1_000

    @given(st.lists(st.lists(st.text(max_size=20) | st.none(), max_size=5) | st.none(), min_size=1), st.booleans())
    def test_list_bound_covers_actual_text_size(
        self, tmp_path_factory: pytest.TempPathFactory, values: list[Any], coded: bool
    ) -> None:
        table = pa.table({"l": pa.array(values, pa.list_(pa.string()))})
        path = written(tmp_path_factory.mktemp("l") / "l.parquet", table, use_dictionary=coded)
        [bound] = bounds(path)
        assert bound is not None
        assert (bound + 1) * len(values) >= sum(len(text or "") for words in values for text in words or [])


def test_row_groups_sharing_pages_are_refused(tmp_path: Path) -> None:
    """A small file could name the same large page in thousands of row groups."""
    path = written(tmp_path / "a.parquet", pa.table({"text": ["a" * 1_000] * 4}), row_group_size=1, compression="none")
    last = chunk_of(path, 3)
    footer = path.read_bytes()[last.start + last.size :]
    path.write_bytes(b"PAR1" + footer)
    with pytest.raises(
        InputError, match=r"a\.parquet cannot be read as Parquet \(its columns are larger than the file\)"
    ):
        windows(path)


def test_rows_missing_from_row_group_are_reported(tmp_path: Path) -> None:
    """A page of an unknown type is skipped by pyarrow, which then returns no rows of its row group."""
    path = written(tmp_path / "a.parquet", pa.table({"text": ["a"] * 20}), row_group_size=10)
    content = bytearray(path.read_bytes())
    content[pq.ParquetFile(path).metadata.row_group(0).column(0).data_page_offset + 1] = 2 * 11
    path.write_bytes(content)
    with pytest.raises(InputError, match="row group 1 has 10 rows fewer than it should"):
        windows(path)


@given(st.binary(max_size=200))
def test_arbitrary_thrift_bytes_are_parsed_or_refused(content: bytes) -> None:
    for most in (None, 5):
        with suppress(IndexError, RecursionError):
            assert len(Thrift(content, most_fields=most).struct()) <= (most or 200)


def test_too_deeply_nested_page_header_gives_no_bound(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", pa.table({"text": ["a" * 100_000]}), compression="none")
    content = bytearray(path.read_bytes())
    start = chunk_of(path, 0).start
    content[start : start + 50_000] = b"\x1c" * 50_000
    path.write_bytes(content)
    assert bounds(path) == [None]
