"""Input statistics of the linear layers, compared with the hidden states that PyTorch returns."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from export.errors import ExportError
from export.quantization.activations import MINIMUM_TEXTS, watch_linear_layers
from export.reference import PyTorchReference

TEXTS = [f"see you at {number} then" + " ok" * (number % 3) for number in range(MINIMUM_TEXTS)]


def test_second_moments_match_hidden_states_of_tokens(tiny_checkpoint: Path) -> None:
    activations = watch_linear_layers(PyTorchReference(tiny_checkpoint, max_length=32), TEXTS)
    model = AutoModelForSequenceClassification.from_pretrained(tiny_checkpoint, output_hidden_states=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny_checkpoint)
    inputs, first = (torch.zeros(model.config.dim, model.config.dim) for _ in range(2))
    for text in TEXTS:
        with torch.inference_mode():
            hidden = model(**tokenizer(text, return_tensors="pt", truncation=True, max_length=32)).hidden_states
        inputs += hidden[1][0].T @ hidden[1][0]
        first += hidden[2][0, :1].T @ hidden[2][0, :1]
    for name in ("q_lin", "k_lin", "v_lin"):
        assert torch.allclose(activations[f"layer.1.attention.{name}"].second_moment, inputs, rtol=1e-3, atol=1e-2)
    # the last layer uses only the first token, except for its keys and values
    assert torch.allclose(activations["layer.2.attention.q_lin"].second_moment, first, rtol=1e-3, atol=1e-2)
    assert not torch.allclose(activations["layer.2.attention.k_lin"].second_moment, first, rtol=0.5)


def test_too_few_messages_are_refused(tiny_checkpoint: Path) -> None:
    reference = PyTorchReference(tiny_checkpoint, max_length=32)
    with pytest.raises(ExportError, match=f"3 training messages are too few .* at least {MINIMUM_TEXTS}"):
        watch_linear_layers(reference, ["a", "b", "c"])
