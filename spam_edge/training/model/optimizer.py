"""AdamW with a higher learning rate for the new classification head."""

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel


def make_optimizer(
    model: PreTrainedModel, *, learning_rate: float, head_factor: float, weight_decay: float
) -> torch.optim.AdamW:
    """Create AdamW over the trainable weights. Biases and layer norms have no weight decay.

    A randomly initialised head does not converge at the learning rate of the encoder. Measured on the collection and
    the notices (2 epochs, 5e-5, one seed): validation loss 0.191 with a factor of 20, 0.206 without.

    Args:
        model: encoder with a classification head.
        learning_rate: learning rate of the encoder.
        head_factor: learning rate of the head as a multiple of the encoder's.
        weight_decay: weight decay of all matrices.
    """
    body = set(model.base_model.parameters())
    groups = [
        {
            "params": [
                weight
                for weight in model.parameters()
                if weight.requires_grad and (weight in body) == of_body and (weight.dim() > 1) == is_matrix
            ],
            "lr": learning_rate * (1 if of_body else head_factor),
            "weight_decay": weight_decay if is_matrix else 0.0,
        }
        for of_body in (True, False)
        for is_matrix in (True, False)
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=learning_rate, fused=True)


def set_trainable(model: PreTrainedModel, *, body: bool, embeddings: bool) -> None:
    """Freeze or unfreeze the encoder. The classification head is always trainable.

    Args:
        model: DistilBERT with a classification head.
        body: train the transformer layers.
        embeddings: train word and position embeddings and their layer norm. They are half of the weights. A batch
            uses a few hundred rows, but the optimiser updates all of them.
    """
    model.base_model.requires_grad_(body)
    model.base_model.get_submodule("embeddings").requires_grad_(embeddings)


def set_dropout(model: nn.Module, probability: float) -> None:
    """Set the dropout probability of every layer, attention included."""
    layer: Any
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = probability
        elif hasattr(layer, "dropout_prob"):  # SDPA attention of DistilBERT has no dropout layer
            layer.dropout_prob = probability
