"""Measure alternative int8 files beside the shipped one: parity, size and speed in one run."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from export.checkpoint import Checkpoint
from export.graphs.conversion import export_fp32, fuse_as_it_comes
from export.graphs.without_vnni import path_without_vnni
from export.parity.gate import Parity, compare
from export.quantization.quantize import Quantizer, infer_types, run_quantizer
from export.quantization.recipe import Recipe
from export.reference import PyTorchReference
from spam_edge.bundle.golden import Golden
from spam_edge.decision.comparison import Decision
from spam_edge.runtime.batching import pad_rows, plan_batches
from spam_edge.runtime.custom_operator import unavailable_reason
from spam_edge.runtime.processor import this_processor
from spam_edge.runtime.providers import CPU, create_session

STOCK = "Optimum's dynamic int8, O2"
_BARE = Recipe(gptq=False, outliers=0, outliers_after_gelu=0, fine_layers=0, completed_outputs=0, fine_tokens=0)
RECIPES: Mapping[str, Recipe] = {
    "one scale per token": _BARE,
    "+ GPTQ": (_gptq := replace(_BARE, gptq=True)),
    "+ frequent tokens in 16 bits": (_tokens := replace(_gptq, fine_tokens=Recipe().fine_tokens)),
    "+ outlier channels split": (_split := replace(_tokens, outliers=Recipe().outliers)),
    "+ outlier channels after Gelu split": (_gelu := replace(_split, outliers_after_gelu=Recipe().outliers_after_gelu)),
    "+ fp32 residual correction": (_completed := replace(_gelu, completed_outputs=Recipe().completed_outputs)),
    (SHIPS := f"+ attention inputs of {Recipe().fine_layers} layers in 16 bits (ships)"): replace(
        _completed, fine_layers=Recipe().fine_layers
    ),
    "+ attention inputs of all layers in 16 bits": replace(_completed, fine_layers=10_000),
}
"""Each recipe adds one technique to the one before."""
FUSED = "fused operator (ships)"
"""See :mod:`export.quantization.fused`."""
_TIMED_TEXTS = 400
_ROUNDS = 6


@dataclass(frozen=True, slots=True)
class Candidate:
    """One candidate int8 file and its measurements.

    Attributes:
        name: title in the tables.
        bytes: size of the file, and of the file that holds its weights.
        speed: messages per second on one thread, relative to :data:`STOCK`, timed in alternation.
        test: comparison with PyTorch on the test split.
        golden: comparison with PyTorch on the golden set.
        max_abs_dp_in_batch: largest score difference of a golden message between a batch and a run alone.
    """

    name: str
    bytes: int
    speed: float
    test: Parity
    golden: Parity
    max_abs_dp_in_batch: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


def measure_candidates(
    checkpoint: Checkpoint,
    quantizer: Quantizer,
    reference: PyTorchReference,
    *,
    golden: Golden,
    decision: Decision,
) -> list[Candidate]:
    """Build and measure every candidate on the first text variant of each message.

    Args:
        checkpoint: checkpoint to quantise.
        quantizer: quantiser calibrated on it.
        reference: its PyTorch model.
        golden: the golden set.
        decision: shipped temperature and threshold.
    """
    texts = checkpoint.test.texts
    token_ids, expected = reference.token_ids(texts), reference.first_view_logits(texts)
    expected_golden = reference.first_view_logits(golden.texts)
    with tempfile.TemporaryDirectory(prefix="spam-edge-candidates-") as name:
        folder = Path(name)
        files = {STOCK: _make_stock(checkpoint, folder / "stock")}
        for number, (title, recipe) in enumerate(tqdm(RECIPES.items(), "candidates", leave=False, disable=None)):
            files[title] = folder / f"{number}.onnx"
            fused = folder / f"{number}_fused.onnx" if title == SHIPS and not unavailable_reason() else None
            quantizer.write(files[title], recipe, fused=fused)
            if fused is not None:
                files[FUSED] = fused
        engines = {title: _Engine(title, path, checkpoint) for title, path in files.items()}
        speeds = _time_in_turns(engines, token_ids[:_TIMED_TEXTS])
        return [
            Candidate(
                name=title,
                bytes=files[title].stat().st_size + (files[SHIPS].stat().st_size if title == FUSED else 0),
                speed=speeds[title] / speeds[STOCK],
                test=compare(title, "test", measured=engine(token_ids), reference=expected, decision=decision),
                golden=compare(
                    title,
                    "golden",
                    measured=(together := engine(golden.token_ids)),
                    reference=expected_golden,
                    decision=decision,
                ),
                max_abs_dp_in_batch=_largest_move(engine, golden, together, decision),
            )
            for title, engine in engines.items()
        ]


def format_candidates(candidates: Sequence[Candidate]) -> str:
    """Return the measurements as a text table."""
    width = max(len(candidate.name) for candidate in candidates)
    header = f"{'int8 file':{width}} {'MB':>5} {'speed':>6} {'max|dp|':>8} {'golden':>7} {'flips':>6} {'in batch':>9}"
    lines = [
        f"{c.name:{width}} {c.bytes / 1e6:>5.1f} {c.speed:>6.2f} {c.test.max_abs_dp:>8.4f} {c.golden.max_abs_dp:>7.4f} "
        f"{c.test.flips + c.golden.flips:>6} {c.max_abs_dp_in_batch:>9.4f}"
        for c in candidates
    ]
    return "\n".join([header, *lines])


class _Engine:
    """An onnxruntime session on one thread, with the batching of the runtime."""

    def __init__(self, title: str, path: Path, checkpoint: Checkpoint) -> None:
        level = "all" if title == STOCK else "disabled"
        if title in RECIPES and this_processor().saturates:
            path, level = path_without_vnni(path), "basic"
        self._session = create_session(path, optimization=level, provider=CPU, fused=title == FUSED)
        self._pad_token_id = checkpoint.pad_token_id

    def __call__(self, token_ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Return logits, shape (messages, labels)."""
        logits = np.empty((len(token_ids), 2), dtype=np.float32)
        for rows in plan_batches([len(ids) for ids in token_ids]):
            ids, mask = pad_rows([token_ids[row] for row in rows], pad_token_id=self._pad_token_id)
            logits[rows] = self._session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0]
        return logits


def _make_stock(checkpoint: Checkpoint, scratch: Path) -> Path:
    exported = export_fp32(checkpoint.path, scratch / "fp32")
    fused = fuse_as_it_comes(exported.parent, scratch / "fused")
    infer_types(fused)
    return run_quantizer(fused, scratch / "int8")


def _time_in_turns(engines: Mapping[str, _Engine], token_ids: Sequence[Sequence[int]]) -> dict[str, float]:
    """Return messages per second by candidate.

    All candidates run each batch in turn, round after round, and the shortest time counts: other load on the machine
    only adds time.
    """
    seconds = dict.fromkeys(engines, 0.0)
    for rows in plan_batches([len(ids) for ids in token_ids]):
        batch = [token_ids[row] for row in rows]
        shortest = dict.fromkeys(engines, float("inf"))
        for _ in range(_ROUNDS):
            for title, engine in engines.items():
                start = time.perf_counter()
                engine(batch)
                shortest[title] = min(shortest[title], time.perf_counter() - start)
        for title, taken in shortest.items():
            seconds[title] += taken
    return {title: len(token_ids) / taken for title, taken in seconds.items()}


def _largest_move(engine: _Engine, golden: Golden, together: NDArray[np.float32], decision: Decision) -> float:
    alone = np.concatenate([engine([ids]) for ids in golden.token_ids])
    return float(np.abs(decision.calibration.scores(alone) - decision.calibration.scores(together)).max())
