"""Smoke tests of the memory and growth benchmarks: they run, and their output is complete. Values are not tested."""

import importlib.util
import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from spam_edge import RuntimeOptions, SpamClassifier
from tests.benchmarks import growth, memory
from tests.benchmarks.fits import exponents, line
from tests.benchmarks.fresh import in_fresh_process
from tests.benchmarks.generated import messages_of, mixed_messages, whole_words

needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="looks at memory in /proc")


@pytest.fixture(scope="module")
def words(tiny_bundle: Path) -> list[str]:
    return whole_words(tiny_bundle)


def test_generated_messages_are_deterministic_per_seed_and_mostly_distinct(words: list[str]) -> None:
    first, second, other_seed = (list(mixed_messages(words, 1000, seed=seed)) for seed in (0, 0, 1))
    assert first == second
    assert len(set(first)) > 900
    assert len(set(first) & set(other_seed)) == 1  # the repeated message
    assert min(map(len, first)) < 20
    assert max(map(len, first)) > 5000
    assert list(islice(mixed_messages(words, 10**9, seed=0), 2))  # generated lazily


def test_each_generated_word_is_one_token(words: list[str], tiny_bundle: Path) -> None:
    classifier = SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cpu", threads=1))
    texts = messages_of(words, 5, 20, seed=0)
    assert [len(ids) for ids in classifier.token_ids(texts)] == [7] * 20


@given(start=st.floats(0, 10), slope=st.floats(0.01, 10))
def test_line_fit_recovers_start_and_slope(start: float, slope: float) -> None:
    sizes = [1, 10, 100, 1000]
    fit = line(sizes, [start + slope * size for size in sizes])
    assert fit["start"] == pytest.approx(start, abs=1e-6)
    assert fit["slope"] == pytest.approx(slope)
    assert fit["worst"] < 1e-6


def test_superlinear_growth_raises_exponent_and_fit_error() -> None:
    sizes, values = [10, 100, 1000, 10000], [1, 10, 100, 10000]
    assert exponents(sizes, values) == [None, pytest.approx(1), pytest.approx(1), pytest.approx(2)]
    assert line(sizes, values)["worst"] > 0.5


def test_memory_growth_rate_excludes_warm_up() -> None:
    numbers = np.arange(0, 1001, 50)
    level = np.where(numbers < 100, numbers, 100) * 2**20
    figures = memory.summarize({"curve": list(zip(numbers.tolist(), level.tolist(), strict=True)), "peak": 2**27})
    assert (figures["first_mib"], figures["last_mib"], figures["peak_mib"]) == (50, 100, 128)
    assert figures["kib_per_1000_messages"] == pytest.approx(0, abs=1e-6)
    leak = memory.summarize({"curve": [(number, number * 10) for number in numbers.tolist()], "peak": 0})
    assert leak["kib_per_1000_messages"] == pytest.approx(10_000 / 1024)


def test_exception_in_fresh_process_is_reraised_in_parent() -> None:
    with pytest.raises(ValueError, match="no number"):
        in_fresh_process(int, "no number")


def _run(script: object, *arguments: str) -> Result:
    result = CliRunner().invoke(script.main, arguments, catch_exceptions=False)  # type: ignore[attr-defined]
    assert result.exit_code == 0, result.output
    return result


@needs_proc
def test_memory_benchmark_measures_stream_and_single_messages(tiny_bundle: Path, tmp_path: Path) -> None:
    arguments = ["--quick", "--messages", "1500", "--singles", "30", "--points", "3", "--threads", "1"]
    result = _run(memory, "--model", str(tiny_bundle), "--output", str(tmp_path), *arguments)
    results = json.loads((tmp_path / "memory.json").read_bytes())
    assert set(results["ways"]) == {"classify_stream", "classify"}
    assert results["model"]["name"] == "tiny"
    assert [number for number, _ in results["ways"]["classify_stream"]["curve"]] == [0, 500, 1000, 1024, 1500]
    assert [number for number, _ in results["ways"]["classify"]["curve"]] == [0, 10, 20, 30]
    for figures in results["ways"].values():
        assert 0 < figures["loaded_mib"] <= figures["last_mib"] <= figures["peak_mib"]
    assert "KiB per 1,000 messages" in result.stdout


@pytest.mark.slow
@needs_proc
@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="draws with matplotlib")
def test_growth_benchmark_writes_curves_fits_and_picture(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "COUNTS", (20, 60))
    monkeypatch.setattr(growth, "LENGTHS", (1, 4, 40))
    monkeypatch.setattr(growth, "CHARACTERS", (100, 5000))
    arguments = ["--quick", "--singles", "3", "--batch", "4", "--rounds", "2", "--threads", "1"]
    result = _run(growth, "--model", str(tiny_bundle), "--output", str(tmp_path), *arguments)
    results = json.loads((tmp_path / "growth.json").read_bytes())
    assert [point["size"] for point in results["messages"]] == [20, 60]
    assert [(point["size"], point["read"]) for point in results["tokens"]] == [(1, 3), (4, 6), (40, 32)]
    assert [point["size"] for point in results["characters"]] == [100, 5000]
    assert set(results["characters"][0]["ms"]) == {*growth.TEXTS, growth.WHOLE}
    assert set(results["fits"]) == {"messages", "tokens, one by one", "tokens, in a batch"}
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")
    for name in ("by number of messages", "by length, ", "by length of the text", "exponent"):
        assert name in result.stdout
