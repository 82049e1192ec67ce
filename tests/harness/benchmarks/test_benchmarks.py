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


def missing() -> list[str]:
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
@pytest.mark.skipif(bool(missing()), reason="needs the extra bench: make bench installs it")
def test_two_engines_take_their_turns(tiny_checkpoint: Path, tiny_bundle: Path, tmp_path: Path) -> None:
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
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
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
    assert "| spam-edge |" in done.stdout
    assert "normalised beforehand" in done.stdout
    speeds = [engines[name]["best"]["median"] for name in ("ours", "ctranslate2-int8")]
    found = results["shapes"]["base"]["ratios"]
    assert found["messages/s, in relation to the fastest peer, CTranslate2 int8"] == speeds[0] / speeds[1]
    assert found["share of the int8 peak"] == engines["ours"]["share_of_peak"]
    assert (tmp_path / "report.md").read_text(encoding="utf-8") == markdown(results)
    assert "| spam-edge |" in brief(results)
    assert f"| share of the int8 peak | {found['share of the int8 peak']:.2f} |" in brief(results)
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


def test_all_engines_are_given_the_same_tokens_once(tiny_bundle: Path, tmp_path: Path) -> None:
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
def test_every_engine_says_how_it_is_used(name: str) -> None:
    engine = engine_class(name)
    assert engine.title
    assert engine.settings
    assert engine.precision in {"int8", "bf16", "fp32"}
    assert set(engine.modes) <= set(MODES)


def test_looking_at_the_engines_imports_none_of_their_libraries() -> None:
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
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("mode", [CORPUS_ORDER, SORTED, SIDE_BY_SIDE])
def test_every_message_is_in_one_batch(mode: str) -> None:
    lengths = np.random.default_rng(0).integers(2, 128, 100).tolist()
    plan = plan_for(mode, lengths)
    assert sorted(np.concatenate(plan).tolist()) == list(range(100))
    if mode == CORPUS_ORDER:
        assert np.concatenate(plan).tolist() == list(range(100))
    if mode == SORTED:
        assert [lengths[index] for batch in plan for index in batch] == sorted(lengths)


def test_figures_are_medians_over_the_turns() -> None:
    scores = [0.1, 0.9]
    figures = summarize([make_turn(seconds, scores) for seconds in (1.0, 2.0, 4.0)], texts=2)
    assert figures["best_mode"] == SORTED
    assert figures["best"] == {"median": 1.0, "min": 0.5, "max": 2.0}
    assert figures["texts_per_s"][CORPUS_ORDER]["median"] == 0.5
    assert figures["one_message_ms"]["p50"] == pytest.approx(2.0)
    assert figures["one_message_ms"]["n"] == 6
    assert (figures["first_message_mib"], figures["peak_memory_mib"]) == (1, 2)


def test_the_difference_is_the_largest_of_all_turns() -> None:
    turns = [make_turn(1.0, [0.1, 0.9]), make_turn(1.0, [0.1, 0.4])]
    assert difference(turns, [0.1, 0.8]) == {"max_abs_dp": pytest.approx(0.4), "flips": 1}


def test_a_score_that_is_no_number_is_a_flip() -> None:
    assert difference([make_turn(1.0, [float("nan"), 0.9])], [0.8, 0.9])["flips"] == 1


def test_the_peak_is_the_highest_seen() -> None:
    low, high = ({"int8": {"operations_per_s": value, "library": "x"}} for value in (1.0, 2.0))
    assert highest([low, high, low]) == high


def test_operations_are_those_of_the_linear_layers(tmp_path: Path) -> None:
    config = {"dim": 2, "hidden_dim": 3, "n_layers": 5}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    model = Model("tiny", tmp_path, tmp_path, None, "")
    # per token and layer: four 2 x 2 matrices and two of 2 x 3; per message: 2 x 2 and 2 x 2
    assert operations_per_text(model, mean_tokens=7) == 2 * (7 * 5 * (16 + 12) + 4 + 4)


def test_a_model_survives_the_way_to_another_process(tmp_path: Path) -> None:
    for bundle in (None, tmp_path / "bundle"):
        model = Model("tiny", tmp_path, tmp_path / "cache", bundle, "trained")
        assert Model.from_json(model.to_json()) == model


def test_what_was_built_from_something_else_is_built_again(tmp_path: Path) -> None:
    built: list[Path] = []
    for source in ({"weights": "a"}, {"weights": "a"}, {"weights": "b"}):
        build_once(tmp_path / "engine", source, built.append)
    assert len(built) == 2


def test_what_is_not_installed_or_fails_is_left_out_with_the_reason(
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
    said = {each.name: (each.status, each.reason) for each in contest.contestants}
    assert said["ours"] == ("ok", "")
    assert said["seed"] == ("failed", "exit code 1: out of memory")
    assert said["pipeline"] == ("failed", "32 of 32 labels differ from PyTorch's: not timed")
    assert said["openvino-int8"][0] == "skipped"
    assert "openvino not installed" in said["openvino-int8"][1]


@pytest.mark.slow
def test_twice_as_wide_computes_the_same(tiny_checkpoint: Path, tmp_path: Path) -> None:
    reference: Any = import_module("export.reference").PyTorchReference
    widen(tiny_checkpoint, tmp_path / "wide")
    texts = ["WINNER!! Call 09061701461 to claim your prize", "see you at 5 then", ""]
    narrow, wide = (reference(path, max_length=32) for path in (tiny_checkpoint, tmp_path / "wide"))
    assert wide.model.config.dim == 2 * narrow.model.config.dim
    np.testing.assert_allclose(wide.logits(texts), narrow.logits(texts), atol=1e-5)
