"""What documents and the model card quote of a run on CUDA; a run without CUDA is not quoted."""

from collections.abc import Mapping
from typing import Any

from tests.gpu.parts import OK
from tests.gpu.report import PARITY, SPEEDS, best, parity, speeds
from tests.gpu.settings import BASE, OURS, SHAPES

PLACE = "cuda"
"""Section of the model card."""


def brief(results: Mapping[str, Any]) -> str | None:
    """Return the largest difference from PyTorch, and the speed beside the fastest other engine, in two sentences."""
    rows = parity(results, BASE)
    if not _on_cuda(results) or not rows:
        return None
    found = difference(results)
    return (
        f"On an {found['card']} ({found['date']}), fp16 differs from PyTorch in fp32 by at most "
        f"{found['max_abs_dp']:.4f} in a score; {found['flips']:,} of {found['n']:,} labels differ. {_speed(results)}\n"
    )


def difference(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the manifest of a bundle keeps: card, date, and the difference of fp16 from PyTorch."""
    sets = results["parts"][f"inference {BASE}"]["figures"]["variants"]["fp16"]["sets"].values()
    return {
        "card": _card(results),
        "date": _date(results),
        "max_abs_dp": max(found["max_abs_dp"] for found in sets),
        "flips": sum(found["flips"] for found in sets),
        "n": sum(found["n"] for found in sets),
    }


def _speed(results: Mapping[str, Any]) -> str:
    """Return messages/s from text to score beside the fastest other engine."""
    rates = {
        part["figures"]["title"]: best(part["figures"], "with_tokenising") or 0.0
        for name, part in results["parts"].items()
        if name.startswith(f"speed {BASE} ") and "title" in part["figures"]
    }
    ours, others = rates.pop(OURS, 0.0), max(rates.items(), key=lambda each: each[1], default=None)
    if not ours or others is None or not others[1]:
        return ""
    return f"It classified {ours:,.0f} messages/s, {ours / others[1]:.1f} times as many as {others[0]}."


def tables(results: Mapping[str, Any]) -> str | None:
    """Return the speeds and the differences of both shapes as Markdown."""
    if not _on_cuda(results):
        return None
    pieces = [f"{_card(results)}, {_date(results)}, {_versions(results)}.\n"]
    for shape in SHAPES:
        for header, rows in ((SPEEDS, speeds(results, shape)), (PARITY, parity(results, shape))):
            if rows:
                pieces.append(f"{shape}:\n\n{_markdown([list(header), *rows])}")
    return "\n".join(pieces)


def training(results: Mapping[str, Any]) -> str | None:
    """Return one sentence per training."""
    lines = []
    for name in ("train", "train random"):
        part = results["parts"].get(name)
        if part and part["status"] == OK and part["figures"]["hardware"]["device"] == "cuda":
            figures = part["figures"]
            of = "the packaged base" if name == "train" else "DistilBERT-base's shape with random weights"
            lines.append(
                f"Training {of} on an {figures['hardware']['name']} ({figures['hardware']['precision']}) took "
                f"{figures['seconds']:.0f} s, {figures['messages_per_s']:,.0f} messages/s."
            )
    return " ".join(lines) + "\n" if lines else None


def card(results: Mapping[str, Any], fp16_sha256: str) -> str | None:
    """Return the section of the model card of a bundle; None if the run had another fp16 file.

    Args:
        results: the results of a run.
        fp16_sha256: checksum of the fp16 file of the bundle.
    """
    measured = results["parts"].get(f"bundle {BASE}", {"figures": {}})["figures"].get("fp16_sha256")
    rows = parity(results, BASE)
    if not _on_cuda(results) or measured != fp16_sha256 or not rows:
        return None
    version = results["parts"]["device"]["figures"]["onnxruntime"]
    return (
        f"On an {_card(results)}, {_date(results)}, with onnxruntime {version}, in relation to PyTorch in fp32:\n\n"
        f"{_markdown([list(PARITY), *rows])}"
    )


def _on_cuda(results: Mapping[str, Any]) -> bool:
    return bool(results["parts"].get("device", {"figures": {}})["figures"].get("cuda"))


def _card(results: Mapping[str, Any]) -> str:
    figures = results["parts"]["device"]["figures"]
    return str(figures["gpu"].get("name") or figures.get("card") or "NVIDIA GPU")


def _date(results: Mapping[str, Any]) -> str:
    return str(results["parts"]["device"]["figures"]["date"])


def _versions(results: Mapping[str, Any]) -> str:
    figures = results["parts"]["device"]["figures"]
    versions = figures["machine"]["versions"] | {"onnxruntime": figures["onnxruntime"]}
    return ", ".join(
        f"{name} {versions[name]}" for name in ("onnxruntime", "torch", "transformers") if name in versions
    )


def _markdown(table: list[list[str]]) -> str:
    rows = [table[0], ["---"] * len(table[0]), *table[1:]]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in rows)
