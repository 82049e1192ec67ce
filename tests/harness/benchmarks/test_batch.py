"""Smoke tests of the batch benchmarks: they run, and their output is complete. Speed is not tested."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from spam_edge import RuntimeOptions, SpamClassifier
from tests.benchmarks import batch, batch_memory
from tests.benchmarks.batch_loop import count
from tests.benchmarks.batch_memory import Look
from tests.benchmarks.generated import mixed_messages, whole_words, write_table
from tests.benchmarks.processes import Memory, Observed, observe
from tests.benchmarks.turn import TurnError

MIB = 2**20
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="looks at memory in /proc")


def make_turn(seconds: float, *, rows: int = 100, spam: int = 7, **sizes: int) -> Observed:
    answer = {"rows": rows, "labels": {"SPAM": spam, "HAM": rows - spam}}
    memory = {"parent": 0, "worker": 0, "tree": 0} | sizes
    return Observed(answer, seconds, processor_seconds=2 * seconds, **memory)


def test_speed_ratios_compare_engines_within_each_round() -> None:
    turns = {
        "loop": [make_turn(10), make_turn(100), make_turn(20)],
        "processes": [make_turn(5, worker=3 * MIB), make_turn(50, worker=4 * MIB), make_turn(40, tree=9 * MIB)],
    }
    figures = batch.summarize(turns)
    assert figures["processes"]["to_loop"] == 2
    assert figures["processes"]["rows_per_s"] == {"median": 2.5, "min": 2, "max": 20}
    assert figures["loop"]["rows_per_core_hour"]["median"] == 3600 * 100 / 40
    assert [figures["processes"][name] for name in ("worker_mib", "tree_mib")] == [4, 9]
    assert "to_loop" not in batch.summarize({"thread": [make_turn(1)]})["thread"]


def test_engines_with_different_rows_or_labels_are_rejected() -> None:
    batch.check_alike([make_turn(1), make_turn(2)])
    for different_turn in (make_turn(1, spam=8), make_turn(1, rows=101)):
        with pytest.raises(TurnError, match="disagree on rows and labels"):
            batch.check_alike([make_turn(1), different_turn])


def test_memory_curve_keeps_peaks_and_growth_compares_ends() -> None:
    samples = [Look(rows, 10 * MIB, 20 * MIB) for rows in range(0, 1201, 10)]
    samples[3] = Look(30, 40 * MIB, 20 * MIB)
    points = batch_memory.curve(samples, 1200)
    assert [point["rows"] for point in points] == list(range(100, 1201, 100))
    assert sum(point["looks"] for point in points) == len(samples)
    assert [point["tree_mib"] for point in points] == [60, *[30] * 11]
    assert batch_memory.growth(samples, 1200) == -30 * MIB
    samples[-1] = Look(1200, 10 * MIB, 90 * MIB)
    assert batch_memory.growth(samples, 1200) == 40 * MIB
    assert [point["rows"] for point in batch_memory.curve(samples[-5:], 1200)] == [1200]


def test_generated_table_and_label_counts_match_messages(tmp_path: Path, tiny_bundle: Path) -> None:
    words = whole_words(tiny_bundle)
    write_table(tmp_path / "in.parquet", words, 300, seed=3)
    table = pq.read_table(tmp_path / "in.parquet")
    assert table["text"].to_pylist() == list(mixed_messages(words, 300, seed=3))
    assert table["id"].to_pylist() == list(range(300))
    labels = SpamClassifier.load(tiny_bundle, RuntimeOptions(threads=1)).classify_batch(table["text"].to_pylist())
    spam = sum(prediction.label == "SPAM" for prediction in labels)
    counted: dict[str, Any] = count(str(tiny_bundle), tmp_path / "in.parquet", threads=2)
    assert counted == {"rows": 300, "labels": {"HAM": 300 - spam, "SPAM": spam}}


TREE = """
import subprocess, sys, time
held = bytearray(30 * 2**20)
child = subprocess.Popen([sys.executable, "-c", "import time; held = bytearray(60 * 2**20); time.sleep(1)"])
child.wait()
print("{}")
"""


@needs_proc
def test_memory_of_whole_process_tree_is_measured() -> None:
    samples: list[dict[int, Memory]] = []
    observed = observe([sys.executable, "-c", TREE], interval=0.02, see=lambda memories: samples.append(dict(memories)))
    assert 30 * MIB < observed.parent < 60 * MIB < observed.worker
    assert observed.tree > 90 * MIB
    assert {len(sample) for sample in samples} >= {1, 2}
    assert observed.seconds > 1 > observed.processor_seconds > 0
    with pytest.raises(TurnError, match="ended with exit code 3"):
        observe([sys.executable, "-c", "raise SystemExit(3)"])


@pytest.mark.slow
@needs_proc
def test_speed_benchmark_reports_every_engine(tiny_bundle: Path, tmp_path: Path) -> None:
    names = [name for name in batch.ENGINES if name not in ("ray", "spark")]  # tests/batch covers ray and spark
    engines = [f"--engine={name}" for name in names]
    arguments = ["--quick", "--rows", "300", "--rounds", "1", "--output", str(tmp_path), *engines]
    result = CliRunner().invoke(batch.main, ["--bundle", str(tiny_bundle), *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    results = json.loads((tmp_path / "batch.json").read_bytes())
    assert list(results["engines"]) == names
    assert all(figures["rows_per_s"]["median"] > 0 for figures in results["engines"].values())
    assert results["engines"]["processes"]["worker_mib"] > 0 == results["engines"]["loop"]["worker_mib"]
    assert all(f"\n{name} " in result.stdout for name in names)


@needs_proc
@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="draws with matplotlib")
def test_memory_benchmark_writes_results_and_picture(tmp_path: Path) -> None:
    arguments = ["--quick", "--rows", "3000", "--part-rows", "100", "--interval", "0.01", "--output", str(tmp_path)]
    result = CliRunner().invoke(batch_memory.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    results = json.loads((tmp_path / "batch_memory.json").read_bytes())
    assert (results["rows"], results["model"]["name"]) == (3000, "tiny")
    assert results["curve"][-1]["rows"] == 3000
    assert results["curve"][-1]["parent_mib"] > 0
    assert (tmp_path / "batch_memory.png").read_bytes().startswith(b"\x89PNG")
    assert result.stdout.startswith("bundle tiny: 3,000 rows in parts of 100, 2 workers")
    assert "from the first tenth of the rows to the last" in result.stdout
