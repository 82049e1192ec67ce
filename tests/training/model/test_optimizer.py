import pytest
import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from spam_edge.training.model.optimizer import set_dropout


def _logits(attention: str, dropout: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the logits of one message in training and in evaluation, shape (1, 2) each."""
    torch.manual_seed(0)
    config = DistilBertConfig(
        vocab_size=50,
        dim=16,
        hidden_dim=32,
        n_layers=1,
        n_heads=2,
        dropout=0.5,
        attention_dropout=0.5,
        seq_classif_dropout=0.5,
        initializer_range=0.5,  # so that the attention weights matter
        attn_implementation=attention,
    )
    model = DistilBertForSequenceClassification(config)
    set_dropout(model, dropout)
    ids = torch.arange(20)[None]
    with torch.no_grad():
        return model.train()(ids).logits, model.eval()(ids).logits


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_zero_dropout_also_disables_attention_dropout(attention: str) -> None:
    training, evaluation = _logits(attention, 0)
    torch.testing.assert_close(training, evaluation)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_nonzero_dropout_changes_training_logits(attention: str) -> None:
    training, evaluation = _logits(attention, 0.3)
    assert not torch.allclose(training, evaluation)
