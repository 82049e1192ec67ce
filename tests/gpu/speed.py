"""The parts ``speed``: one engine on one shape, from a cold start, in messages per second."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spam_edge.runtime.batching import CUDA_TOKEN_BUDGET
from tests.benchmarks.model import Model
from tests.benchmarks.summary import operations_per_text
from tests.benchmarks.worker import MESSAGE, peak_memory
from tests.gpu.device import memory_used
from tests.gpu.engines import ENGINES, SORTED, Engine, Ours, RowEngine, plan_for
from tests.gpu.host import rate
from tests.gpu.parts import Save
from tests.gpu.settings import Settings

_SINGLES = 200
_WAYS_WITH_TEXTS = 2
"""Texts to scores are timed with the batchings that were fastest without the tokenizer."""
_MIB = 2**20
_PERCENTILES = (50, 95)


def measure(settings: Settings, save: Save, shape: str, name: str) -> None:
    """Time an engine: cold start, single messages, token ids to logits, and texts to scores."""
    asked = time.time()
    before = memory_used()
    asking = time.time() - asked
    engine = ENGINES[name](settings, shape)
    save(title=engine.title, usage=engine.usage)
    engine.load()
    first = next(iter(engine.ways().values()))
    engine.score([MESSAGE], first)
    save(cold_start_s=time.time() - settings.began - asking)
    texts = settings.texts_of(shape)
    save(one_message_ms=_latencies(engine, texts[:_SINGLES], first))
    ways = engine.ways()
    if isinstance(engine, RowEngine):
        found = _time_rows(engine, texts, save, settings, shape)
        best = sorted(found, key=found.__getitem__)[-_WAYS_WITH_TEXTS:]
        ways = {name: ways[name] for name in best}
    if isinstance(engine, Ours):
        ways = dict([next(iter(ways.items()))])  # it plans its own batches
    _time_texts(engine, texts, save, ways)
    used = memory_used()
    expected = json.loads((settings.folder_of(shape) / "scores.json").read_bytes())
    save(
        peak_memory_mib=peak_memory() / _MIB,
        gpu_memory_mib=None if used is None or before is None else used - before,
        **_difference(engine, texts, expected, first),
    )


def _latencies(engine: Engine, texts: Sequence[str], way: Any) -> dict[str, float]:
    """Return percentiles of the time of one message, in milliseconds, after every message has run once."""
    for text in texts:
        engine.score([text], way)
    times = []
    for text in texts:
        began = time.perf_counter()
        engine.score([text], way)
        times.append(1000 * (time.perf_counter() - began))
    return {f"p{p}": float(np.percentile(times, p)) for p in _PERCENTILES} | {"n": len(times)}


def _time_rows(engine: RowEngine, texts: Sequence[str], save: Save, settings: Settings, shape: str) -> dict[str, float]:
    """Time token ids to logits with every batching, and return messages per second by batching."""
    rows = engine.encode(texts)
    lengths = [len(row) for row in rows]
    model = Model(shape, engine.bundle.path, settings.folder_of(shape), engine.bundle.path, "")
    save(
        mean_tokens=float(np.mean(lengths)), operations_per_message=operations_per_text(model, float(np.mean(lengths)))
    )
    found: dict[str, float] = {}
    for name, way in engine.ways().items():
        plan = plan_for(way, lengths)
        found[name] = rate(lambda plan=plan: engine.run(rows, plan), len(rows))  # type: ignore[misc]
        save(without_tokenising=found)
    if isinstance(engine, Ours):
        plan = plan_for((SORTED, CUDA_TOKEN_BUDGET), lengths)
        save(on_the_device=rate(engine.bound_run(rows, plan), len(rows)))
    return found


def _time_texts(engine: Engine, texts: Sequence[str], save: Save, ways: Mapping[str, Any]) -> None:
    """Time texts to scores."""
    found: dict[str, float] = {}
    for name, way in ways.items():
        found[name] = rate(lambda way=way: engine.score(texts, way), len(texts))  # type: ignore[misc]
        save(with_tokenising=found)


def _difference(engine: Engine, texts: Sequence[str], expected: Sequence[float], way: Any) -> dict[str, float]:
    """Return the differences from the reference scores of the first messages, and the labels that differ at 0.5."""
    scores, reference = engine.score(texts[: len(expected)], way), np.asarray(expected)
    return {
        "max_abs_dp": float(np.abs(scores - reference).max()),
        "mean_abs_dp": float(np.abs(scores - reference).mean()),
        "flips": int(((scores >= 0.5) != (reference >= 0.5)).sum()),
    }
