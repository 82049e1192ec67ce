"""Exact conversion of the packaged all-MiniLM-L6-v2 weights to DistilBERT.

A BERT without pooler and with token type 0 everywhere is a DistilBERT. The conversion adds the embedding of token
type 0 to the position embeddings and renames the layers. Nothing is distilled or approximated: the hidden states agree
up to rounding (tested to 1e-4).
"""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import BertConfig, DistilBertConfig

_EMBEDDINGS = {
    "embeddings.word_embeddings.weight": "embeddings.word_embeddings.weight",
    "embeddings.LayerNorm.weight": "embeddings.LayerNorm.weight",
    "embeddings.LayerNorm.bias": "embeddings.LayerNorm.bias",
}
_LAYER_PARTS = {
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}
_LAYER_WEIGHT = re.compile(r"encoder\.layer\.(\d+)\.(.+)\.(weight|bias)")


def distilbert_config(bert: BertConfig) -> DistilBertConfig:
    """Convert a BERT configuration. Sizes, dropout and activation stay the same."""
    return DistilBertConfig(
        vocab_size=bert.vocab_size,
        max_position_embeddings=bert.max_position_embeddings,
        n_layers=bert.num_hidden_layers,
        n_heads=bert.num_attention_heads,
        dim=bert.hidden_size,
        hidden_dim=bert.intermediate_size,
        dropout=bert.hidden_dropout_prob,
        attention_dropout=bert.attention_probs_dropout_prob,
        activation=bert.hidden_act,
        initializer_range=bert.initializer_range,
        pad_token_id=bert.pad_token_id,
    )


def distilbert_weights(bert: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename the weights of a ``BertModel`` for a ``DistilBertModel`` and fold token type 0 into the positions.

    Args:
        bert: state dict of a ``BertModel``; pooler and position ids are dropped.

    Raises:
        KeyError: an embedding is missing, or a layer weight has an unknown name.
    """
    weights = {new: bert[old] for old, new in _EMBEDDINGS.items()}
    positions, token_types = (bert[f"embeddings.{kind}_embeddings.weight"] for kind in ("position", "token_type"))
    weights["embeddings.position_embeddings.weight"] = positions + token_types[0]
    for name, tensor in bert.items():
        if match := _LAYER_WEIGHT.fullmatch(name):
            layer, part, kind = match.groups()
            weights[f"transformer.layer.{layer}.{_LAYER_PARTS[part]}.{kind}"] = tensor
    return weights


def load_as_distilbert(folder: Path) -> tuple[DistilBertConfig, dict[str, torch.Tensor]]:
    """Read a BERT checkpoint folder and return configuration and weights of the equivalent DistilBERT."""
    config = distilbert_config(BertConfig.from_pretrained(folder))
    return config, distilbert_weights(load_file(folder / "model.safetensors"))
