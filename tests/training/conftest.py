"""Fixtures: a synthetic corpus and a tiny base model that train in a second, without network access."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spam_edge.training.data import hub
from spam_edge.training.data.messages import HAM, SPAM, LabelledMessage

SPAM_WORDS = ["winner", "prize", "claim", "urgent", "cash", "award", "ringtone", "reply", "stop", "guaranteed"]
HAM_WORDS = ["lunch", "home", "later", "tomorrow", "mum", "train", "sleepy", "lesson", "movie", "sorry"]
# Enough distinct two-syllable words that no two generated messages are near duplicates.
OTHER_WORDS = [
    first + second
    for first in ("bal", "cor", "dim", "fen", "gul", "hop")
    for second in ("ta", "ro", "ki", "su", "ne", "vo")
]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point the Hub at a closed port and its cache at an empty folder, in subprocesses too."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    cache = tmp_path_factory.mktemp("hub")
    monkeypatch.setenv("HF_HOME", str(cache))
    # Both libraries read the variable at import time, which may be before this fixture runs.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", cache)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)
    hub.hub_answers.cache_clear()
    yield
    hub.hub_answers.cache_clear()


def _make_messages(n: int) -> list[LabelledMessage]:
    """Generate n learnable messages, every third one spam, without near duplicates."""
    choose = random.Random(0)
    messages = []
    for line in range(1, n + 1):
        label, words = (SPAM, SPAM_WORDS) if line % 3 == 0 else (HAM, HAM_WORDS)
        chosen = choose.sample(words, 4) + choose.sample(OTHER_WORDS, 8)
        choose.shuffle(chosen)
        messages.append(LabelledMessage(" ".join(chosen), label, "made.tsv", line))
    return messages


@pytest.fixture(scope="session")
def make_messages() -> Callable[[int], list[LabelledMessage]]:
    """Return a function that gives the first n messages of a fixed sequence."""
    return _make_messages


@pytest.fixture(scope="session")
def messages() -> list[LabelledMessage]:
    return _make_messages(120)


@pytest.fixture(scope="session")
def corpus_file(tmp_path_factory: pytest.TempPathFactory, messages: list[LabelledMessage]) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "messages.jsonl"
    path.write_text("".join(json.dumps({"text": m.text, "label": m.label}) + "\n" for m in messages), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a random DistilBERT of 2 layers and 32 dimensions with the vocabulary of the synthetic corpus."""
    import torch
    from transformers import DistilBertConfig, DistilBertModel, DistilBertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *SPAM_WORDS, *HAM_WORDS, *OTHER_WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    torch.manual_seed(0)
    config = DistilBertConfig(
        vocab_size=len(vocabulary),
        max_position_embeddings=64,
        n_layers=2,
        n_heads=2,
        dim=32,
        hidden_dim=64,
        initializer_range=0.2,
    )
    DistilBertModel(config).save_pretrained(folder)
    tokenizer = DistilBertTokenizerFast(vocab_file=str(folder / "vocab.txt"))
    # As in all-MiniLM-L6-v2, tokenizer.json has truncation and padding, which loading must remove.
    tokenizer.backend_tokenizer.enable_padding(length=48)
    tokenizer.backend_tokenizer.enable_truncation(max_length=48)
    tokenizer.save_pretrained(folder)
    return folder
