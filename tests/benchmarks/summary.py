"""Compute the figures from turns: medians, spread, percentiles, share of the roofline, difference from PyTorch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.benchmarks.engines import OURS, PIPELINE, SEED
from tests.benchmarks.model import Model
from tests.benchmarks.turn import Turn

MIB = 2**20
PERCENTILES = (50, 95, 99)
FORMULA = (
    "Share of peak = messages/s x operations per message / peak. Operations per message = 2 x (mean tokens x layers x "
    "(4 x dim^2 + 2 x dim x hidden_dim) + dim^2 + 2 x dim), padding not counted: the linear layers of the model as "
    "trained. Engines in int8 are compared with the int8 peak, the others with the faster of fp32 and bf16. An engine "
    "that skips unneeded work is credited with it."
)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, minimum and maximum."""
    return {"median": float(np.median(values)), "min": min(values), "max": max(values)}


def summarize(turns: Sequence[Turn], texts: int) -> dict[str, Any]:
    """Return the figures of one engine.

    Args:
        turns: its turns, one per round.
        texts: messages classified per turn.
    """
    modes = {mode: spread([texts / turn.seconds[mode] for turn in turns]) for mode in turns[0].seconds}
    best = max(modes, key=lambda mode: modes[mode]["median"])
    milliseconds = [1000 * seconds for turn in turns for seconds in turn.latencies]
    medians = [1000 * float(np.median(turn.latencies)) for turn in turns]
    return {
        "texts": texts,
        "texts_per_s": modes,
        "best_mode": best,
        "best": modes[best],
        "one_message_ms": {f"p{p}": float(np.percentile(milliseconds, p)) for p in PERCENTILES}
        | {"n": len(milliseconds), "p50_min": min(medians), "p50_max": max(medians)},
        "cold_start_s": spread([turn.cold_start for turn in turns]),
        "first_message_mib": max(turn.first_memory for turn in turns) / MIB,
        "peak_memory_mib": max(turn.peak_memory for turn in turns) / MIB,
        "detail": turns[0].detail,
    }


def difference(turns: Sequence[Turn], reference: Sequence[float]) -> dict[str, Any]:
    """Return the largest score difference from PyTorch and the label flips at 0.5, over all turns and modes."""
    expected = np.asarray(reference)
    scores = [np.asarray(each) for turn in turns for each in turn.scores.values()]
    return {
        "max_abs_dp": max(float(np.abs(each - expected).max()) for each in scores),
        "flips": max(int(((each >= 0.5) != (expected >= 0.5)).sum()) for each in scores),
    }


def operations_per_text(model: Model, mean_tokens: float) -> float:
    """Return the operations per message of :data:`FORMULA`."""
    per_token, per_message = model.linear_macs
    return 2 * (mean_tokens * per_token + per_message)


def peak_for(precision: str, roofline: Mapping[str, Mapping[str, Any]]) -> float:
    """Return the peak operations per second that an engine of this precision is compared with."""
    names = ("int8",) if precision == "int8" else ("fp32", "bf16")
    return max(float(roofline[name]["operations_per_s"]) for name in names)


def highest(rooflines: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, Mapping[str, Any]]:
    """Return the highest of several roofline measurements: disturbances only ever lower them."""

    def height(peak: Mapping[str, Any]) -> float:
        return float(peak["operations_per_s"])

    return {name: max((each[name] for each in rooflines), key=height) for name in rooflines[0]}


def ratios(engines: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return the ratios of ours to the peers that were measured, each by its description.

    Args:
        engines: figures by name, as :func:`summarize` returns them.
    """
    done = {name: figures for name, figures in engines.items() if figures["status"] == "ok"}
    ours = done.pop(OURS, None)
    peers = {name: figures for name, figures in done.items() if not name.startswith(OURS)}
    if ours is None or not peers:
        return {}
    speed = ours["best"]["median"]
    fastest = max(peers.values(), key=lambda figures: float(figures["best"]["median"]))
    quickest = min(peers.values(), key=lambda figures: float(figures["one_message_ms"]["p50"]))
    found = {f"messages/s, in relation to the fastest peer, {fastest['title']}": speed / fastest["best"]["median"]}
    for name in (name for name in (PIPELINE, SEED) if name in peers):
        found[f"messages/s, in relation to {peers[name]['title']}"] = speed / peers[name]["best"]["median"]
    found[f"p50 of one message, in relation to the quickest peer, {quickest['title']}"] = (
        ours["one_message_ms"]["p50"] / quickest["one_message_ms"]["p50"]
    )
    if PIPELINE in peers:
        starts = [figures["cold_start_s"]["median"] for figures in (peers[PIPELINE], ours)]
        found[f"cold start of {peers[PIPELINE]['title']}, in relation to ours"] = starts[0] / starts[1]
    return found | {"share of the int8 peak": ours["share_of_peak"]}
