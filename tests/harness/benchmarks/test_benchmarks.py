"""Smoke tests of the benchmark: it runs, and its output is complete. Speed is not tested."""

import importlib.util
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from spam_edge import SpamClassifier
from tests.benchmarks import conductor
from tests.benchmarks.corpus import comparable
from tests.benchmarks.engines import ENGINES, engine_class
from tests.benchmarks.engines.base import CORPUS_ORDER, MODES, SIDE_BY_SIDE, SORTED, plan_for
from tests.benchmarks.model import Model, build_once
from tests.benchmarks.report import brief, markdown
from tests.benchmarks.summary import difference, highest, operations_per_text, summarize
from tests.benchmarks.turn import Turn, TurnError
from tests.benchmarks.widen import widen

ROOT = Path(__file__).parents[3]
PEERS = ("torch", "transformers", "onnx", "matplotlib", "ctranslate2")


def missing_peers() -> list[str]:
    return [name for name in PEERS if importlib.util.find_spec(name) is None]


def make_turn(seconds: float, scores: list[float]) -> Turn:
    return Turn(
        cold_start=1.0,
        first_memory=2**20,
        detail="",
        latencies=[0.001, 0.003],
        seconds={CORPUS_ORDER: 2 * seconds, SORTED: seconds},
        scores={CORPUS_ORDER: scores, SORTED: scores},
        peak_memory=2**21,
    )


@pytest.mark.slow
@pytest.mark.skipif(bool(missing_peers()), reason="needs the extra bench: make bench installs it")
def test_benchmark_of_two_engines_writes_complete_results(
    tiny_checkpoint: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--rounds", "1", "--sample", "12", "--singles", "6"]
    command += [
        "--shape",
        "base",
        "--engines",
        "ours,ctranslate2-int8",
        "--corpus",
        "test",
        "--threads",
        "1",
        "--peak-seconds",
        "0",
    ]
    command += ["--checkpoint", str(tiny_checkpoint), "--bundle", str(tiny_bundle), "--output", str(tmp_path)]
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    results = json.loads((tmp_path / "benchmark.json").read_bytes())
    assert set(results["roofline"]) == {"fp32", "bf16", "int8"}
    engines = results["shapes"]["base"]["engines"]
    assert [(name, figures["status"]) for name, figures in engines.items()] == [
        ("ours", "ok"),
        ("ctranslate2-int8", "ok"),
    ]
    for figures in engines.values():
        assert_complete(figures)
    assert set(engines["ctranslate2-int8"]["texts_per_s"]) == {CORPUS_ORDER, SORTED, SIDE_BY_SIDE}
    assert "| spam-edge |" in completed.stdout
    assert "normalised beforehand" in completed.stdout
    speeds = [engines[name]["best"]["median"] for name in ("ours", "ctranslate2-int8")]
    ratios = results["shapes"]["base"]["ratios"]
    assert ratios["messages/s, in relation to the fastest peer, CTranslate2 int8"] == speeds[0] / speeds[1]
    assert ratios["share of the int8 peak"] == engines["ours"]["share_of_peak"]
    assert (tmp_path / "report.md").read_text(encoding="utf-8") == markdown(results)
    assert "| spam-edge |" in brief(results)
    assert f"| share of the int8 peak | {ratios['share of the int8 peak']:.2f} |" in brief(results)
    assert (tmp_path / "benchmark.png").read_bytes().startswith(b"\x89PNG")


def assert_complete(figures: dict[str, Any]) -> None:
    assert figures["texts"] == 12
    assert figures["best"] == figures["texts_per_s"][figures["best_mode"]]
    assert 0 < figures["best"]["min"] <= figures["best"]["median"] <= figures["best"]["max"]
    assert 0 < figures["one_message_ms"]["p50"] <= figures["one_message_ms"]["p95"] <= figures["one_message_ms"]["p99"]
    assert 0 < figures["first_message_mib"] <= figures["peak_memory_mib"]
    assert figures["cold_start_s"]["median"] > 0
    assert figures["bytes"] > 0
    assert figures["share_of_peak"] > 0
    assert figures["difference"]["max_abs_dp"] < 0.15
    assert figures["difference"]["flips"] == 0


def test_comparable_texts_have_equal_tokens_in_classifier_and_tokenizer(tiny_bundle: Path, tmp_path: Path) -> None:
    raw = [
        "see you at 5 then",
        "I &lt;3 the pub",
        "claim your pr1ze",
        "W\u200bINNER",
        "thanks f\U0001f389or the lift",
        "caf\xe9",
    ]
    texts = comparable(raw, tiny_bundle)
    assert texts == ["see you at 5 then", "I <3 the pub", "WINNER", "thanks f party popper or the lift", "cafe"]
    classifier = SpamClassifier.load(tiny_bundle)
    (tmp_path / "tokenizer.json").write_bytes((tiny_bundle / "tokenizer.json").read_bytes())
    assert comparable(raw, tmp_path) == raw  # a checkpoint without a normaliser
    tokenizer = Tokenizer.from_file(str(tiny_bundle / "tokenizer.json"))
    assert classifier.token_ids(texts) == [tokenizer.encode(text).ids for text in texts]


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_declares_title_settings_precision_and_modes(name: str) -> None:
    engine = engine_class(name)
    assert engine.title
    assert engine.settings
    assert engine.precision in {"int8", "bf16", "fp32"}
    assert set(engine.modes) <= set(MODES)


def test_listing_engine_classes_imports_no_engine_library() -> None:
    code = """
import sys
from spam_edge import SpamClassifier
from tests.benchmarks import conductor
from tests.benchmarks.corpus import comparable
from tests.benchmarks.engines import ENGINES, engine_class
for name in ENGINES:
    engine_class(name)
print(sorted({"torch", "transformers", "optimum", "onnxruntime", "ctranslate2", "openvino", "nncf"} & set(sys.modules)))
"""
    completed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert completed.stdout == "[]\n"


@pytest.mark.parametrize("mode", [CORPUS_ORDER, SORTED, SIDE_BY_SIDE])
def test_batch_plan_has_each_message_once_in_mode_order(mode: str) -> None:
    lengths = np.random.default_rng(0).integers(2, 128, 100).tolist()
    plan = plan_for(mode, lengths)
    assert sorted(np.concatenate(plan).tolist()) == list(range(100))
    if mode == CORPUS_ORDER:
        assert np.concatenate(plan).tolist() == list(range(100))
    if mode == SORTED:
        assert [lengths[index] for batch in plan for index in batch] == sorted(lengths)


def test_summary_figures_are_medians_over_turns() -> None:
    scores = [0.1, 0.9]
    figures = summarize([make_turn(seconds, scores) for seconds in (1.0, 2.0, 4.0)], texts=2)
    assert figures["best_mode"] == SORTED
    assert figures["best"] == {"median": 1.0, "min": 0.5, "max": 2.0}
    assert figures["texts_per_s"][CORPUS_ORDER]["median"] == 0.5
    assert figures["one_message_ms"]["p50"] == pytest.approx(2.0)
    assert figures["one_message_ms"]["n"] == 6
    assert (figures["first_message_mib"], figures["peak_memory_mib"]) == (1, 2)


def test_score_difference_is_maximum_over_turns() -> None:
    turns = [make_turn(1.0, [0.1, 0.9]), make_turn(1.0, [0.1, 0.4])]
    assert difference(turns, [0.1, 0.8]) == {"max_abs_dp": pytest.approx(0.4), "flips": 1}


def test_nan_score_counts_as_label_flip() -> None:
    assert difference([make_turn(1.0, [float("nan"), 0.9])], [0.8, 0.9])["flips"] == 1


def test_peak_throughput_is_highest_measurement() -> None:
    low, high = ({"int8": {"operations_per_s": value, "library": "x"}} for value in (1.0, 2.0))
    assert highest([low, high, low]) == high


def test_operations_per_text_count_linear_layers(tmp_path: Path) -> None:
    config = {"dim": 2, "hidden_dim": 3, "n_layers": 5}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    model = Model("tiny", tmp_path, tmp_path, None, "")
    # per token and layer: four 2 x 2 matrices and two of 2 x 3; per message: 2 x 2 and 2 x 2
    assert operations_per_text(model, mean_tokens=7) == 2 * (7 * 5 * (16 + 12) + 4 + 4)


def test_model_json_round_trip_is_lossless(tmp_path: Path) -> None:
    for bundle in (None, tmp_path / "bundle"):
        model = Model("tiny", tmp_path, tmp_path / "cache", bundle, "trained")
        assert Model.from_json(model.to_json()) == model


def test_engine_is_rebuilt_only_when_source_changes(tmp_path: Path) -> None:
    built: list[Path] = []
    for source in ({"weights": "a"}, {"weights": "a"}, {"weights": "b"}):
        build_once(tmp_path / "engine", source, built.append)
    assert len(built) == 2


def test_uninstalled_and_failing_engines_are_reported_with_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def turn(engine: str, *_: object, texts: list[str], **__: object) -> Turn:
        if engine == "seed":
            raise TurnError("exit code 1: out of memory")
        return make_turn(1.0, [1.0 if engine == "pipeline" else 0.0] * len(texts))

    monkeypatch.setattr(conductor, "missing_modules", lambda name: ["openvino"] if name == "openvino-int8" else [])
    monkeypatch.setattr(conductor, "ask", lambda *_: {"bytes": 1, "unavailable_reason": ""})
    monkeypatch.setattr(conductor, "take_turn", turn)
    model = Model("tiny", tmp_path, tmp_path, None, "")
    contest = conductor.Comparisons(
        model, ["ours", "seed", "pipeline", "openvino-int8"], texts=["a"] * 32, singles=5, threads=1
    )
    contest.prepare(lambda _: None)
    contest.play(lambda _: None, backwards=True)
    outcomes = {each.name: (each.status, each.reason) for each in contest.contestants}
    assert outcomes["ours"] == ("ok", "")
    assert outcomes["seed"] == ("failed", "exit code 1: out of memory")
    assert outcomes["pipeline"] == ("failed", "32 of 32 labels differ from PyTorch's: not timed")
    assert outcomes["openvino-int8"][0] == "skipped"
    assert "openvino not installed" in outcomes["openvino-int8"][1]


@pytest.mark.slow
def test_widened_model_computes_same_logits(tiny_checkpoint: Path, tmp_path: Path) -> None:
    reference: Any = import_module("export.reference").PyTorchReference
    widen(tiny_checkpoint, tmp_path / "wide")
    texts = ["WINNER!! Call 09061701461 to claim your prize", "see you at 5 then", ""]
    narrow, wide = (reference(path, max_length=32) for path in (tiny_checkpoint, tmp_path / "wide"))
    assert wide.model.config.dim == 2 * narrow.model.config.dim
    np.testing.assert_allclose(wide.logits(texts), narrow.logits(texts), atol=1e-5)
