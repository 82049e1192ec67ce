"""Double the width of a DistilBERT without changing its output: the packaged base gets DistilBERT-base's shape.

Every unit is duplicated and the weights that read it are halved (Net2Net: Chen, Goodfellow, Shlens 2016, "Net2Net:
Accelerating Learning via Knowledge Transfer"). Mean and variance stay the same, so layer norms are unchanged. In an
attention head the query-key product doubles, but the scale divides it by the root of twice the size. The remaining
factor of root two is split between query and key. Unlike a model with random weights, the result can pass the
exporter's parity gate, and its verdicts can be checked.

    python -m tests.benchmarks.widen artifacts/checkpoint artifacts/benchmark/distilbert-base/checkpoint
"""

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from spam_edge.text.normalization import NORMALIZER_NAME

if TYPE_CHECKING:
    from torch import Tensor

DOUBLED = ("dim", "hidden_dim")
BESIDE = (
    *("training.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"),
    NORMALIZER_NAME,
)


def widen(source: Path, target: Path) -> None:
    """Write the widened checkpoint, with tokenizer and splits of the original."""
    from safetensors.torch import load_file, save_file

    config = json.loads((source / "config.json").read_bytes())
    config |= {name: 2 * config[name] for name in DOUBLED}
    labels = len(config["id2label"])
    target.mkdir(parents=True, exist_ok=True)
    weights = widen_weights(load_file(source / "model.safetensors"), labels=labels)
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    for name in BESIDE:
        shutil.copyfile(source / name, target / name)
    shutil.copytree(source / "splits", target / "splits", dirs_exist_ok=True)


def widen_weights(weights: Mapping[str, "Tensor"], *, labels: int | None = None) -> dict[str, "Tensor"]:
    """Widen the weights of a DistilBERT.

    Args:
        weights: tensors by name.
        labels: number of logits, which stays the same; None for a model without a classification head.
    """
    return {name: _widen(name, tensor, labels) for name, tensor in weights.items()}


def _widen(name: str, tensor: "Tensor", labels: int | None) -> "Tensor":
    if name.endswith("embeddings.weight"):  # word and position tables: one row per entry
        return tensor.repeat_interleave(2, dim=1)
    if tensor.ndim == 2:
        tensor = tensor.repeat_interleave(2, dim=1) / 2
    if tensor.shape[0] != labels:  # the number of logits stays the same
        tensor = tensor.repeat_interleave(2, dim=0)
    return tensor / 2**0.25 if ".q_lin." in name or ".k_lin." in name else tensor.contiguous()


if __name__ == "__main__":
    widen(Path(sys.argv[1]), Path(sys.argv[2]))
