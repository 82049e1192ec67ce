"""Decompression limits: a small file cannot unpack to an unbounded size."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spam_edge.errors import InputError
from spam_edge.readers import unpacked
from spam_edge.readers.unpacked import Unpacked
from spam_edge.readers.windows import ReadOptions, read_windows

from .conftest import RunJob

REFUSED = "unpacks to more than 100,000 bytes, which is too much for its size"


@pytest.fixture(autouse=True)
def _bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacked, "UNPACKED_BYTES", 100_000)
    monkeypatch.setattr(unpacked, "UNPACKED_TIMES", 10)


def write_compressed(path: Path, content: bytes, codec: str) -> Path:
    path.write_bytes(pa.compress(content, codec, asbytes=True))
    return path


@pytest.mark.parametrize(("suffix", "codec"), [("gz", "gzip"), ("zst", "zstd")])
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_compressed_text_beyond_unpacked_limit_is_refused(
    tmp_path: Path, run_job: RunJob, kind: str, suffix: str, codec: str
) -> None:
    row = b'"see you at 5"\n'
    small = write_compressed(tmp_path / f"small.{kind}.{suffix}", b'"text"\n' + row * 5_000, codec)
    large = write_compressed(tmp_path / f"large.{kind}.{suffix}", b'"text"\n' + row * 10_000, codec)
    assert large.stat().st_size < 10_000
    assert run_job(small, output=tmp_path / "small.out.csv").rows == 5_000 + (kind == "jsonl")
    with pytest.raises(InputError, match=rf"large\.{kind}\.{suffix} {REFUSED}"):
        run_job(large, output=tmp_path / "large.out.csv")
    assert not (tmp_path / "large.out.csv").exists()


@pytest.mark.parametrize("store", [True, False])
def test_parquet_dictionary_beyond_unpacked_limit_is_refused(tmp_path: Path, run_job: RunJob, store: bool) -> None:
    path = tmp_path / "in.parquet"
    numbers = pa.array([0] * 1_100, pa.int32())
    table = pa.table({"text": pa.DictionaryArray.from_arrays(numbers, ["see you " * 125])})
    pq.write_table(table, path, compression="zstd", store_schema=store)
    with pytest.raises(InputError, match=rf"in\.parquet {REFUSED}"):
        run_job(path, output=tmp_path / "out.csv")
    with pytest.raises(InputError, match=rf"in\.parquet {REFUSED}"):
        list(read_windows(path, ReadOptions()))
    pq.write_table(table.slice(0, 90), path, compression="zstd", store_schema=store)
    assert run_job(path, output=tmp_path / "out.csv", force=True).rows == 90


def test_unpacked_limit_grows_with_file_size() -> None:
    Unpacked("in", 10_000).add(100_000)
    Unpacked("in", 20_000).add(200_000)
    with pytest.raises(InputError, match="in unpacks to more than 200,000 bytes"):
        Unpacked("in", 20_000).add(200_001)
