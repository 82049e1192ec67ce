"""Estimate the duration of a training run on this machine from a few timed steps."""

import time
from collections.abc import Callable, Mapping, Sequence

import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from spam_edge.errors import InputError
from spam_edge.resources import available_threads
from spam_edge.training.data.mixture import mix
from spam_edge.training.data.sources import PACKAGED
from spam_edge.training.data.splits import SPLITS, Example
from spam_edge.training.fit import steps_per_epoch
from spam_edge.training.model.base_model import BaseModel, load_config, packaged_base_model
from spam_edge.training.model.hardware import Hardware, detect
from spam_edge.training.model.optimizer import make_optimizer, set_dropout, set_trainable
from spam_edge.training.progress import in_words
from spam_edge.training.settings import TrainingSettings

SLOW_MINUTES = 15
_CHARACTERS_PER_TOKEN = 3.4
"""Mean of the packaged corpus and the notices in DistilBERT's vocabulary. The tokenizer is not downloaded yet."""
_TIMED_STEPS = 3
_FORWARD_SHARE = 1 / 3
"""Cost of a forward pass as a share of a training step; the backward pass takes two thirds."""


def slow_warning(
    base: BaseModel, settings_of: Callable[[BaseModel], TrainingSettings], splits: Mapping[str, Sequence[Example]]
) -> str | None:
    """Return a warning with the duration and a faster alternative; None with a GPU or below 15 minutes.

    Args:
        base: model to start from; only its configuration is read.
        settings_of: returns the settings for a base model.
        splits: examples of ``train``, ``validation`` and ``test``.

    Raises:
        InputError: the configuration is unreadable or is not a DistilBERT configuration.
    """
    config = load_config(base)
    hardware = detect()
    if hardware.device != "cpu":
        return None
    seconds = estimate_seconds(config, splits, settings_of(base), hardware)
    if seconds < 60 * SLOW_MINUTES:
        return None
    line = f"training {base.name} takes about {in_words(seconds)} in total on this machine, without a GPU"
    if base.source == PACKAGED:
        return line
    quicker = packaged_base_model()
    try:
        seconds = estimate_seconds(load_config(quicker), splits, settings_of(quicker), hardware)
    except InputError:  # the packaged base model is not installed
        return f"{line}; --base-model packaged (BASE_MODEL=packaged with make) is faster"
    return f"{line}; --base-model packaged (BASE_MODEL=packaged with make) takes about {in_words(seconds)}"


def estimate_seconds(
    config: DistilBertConfig, splits: Mapping[str, Sequence[Example]], settings: TrainingSettings, hardware: Hardware
) -> float:
    """Time a few steps of a randomly initialised model on the CPU and multiply by the number of steps.

    Returns:
        Seconds of all training and evaluation steps, without input, tokenisation and output.
    """
    train = mix(splits["train"], settings)
    lengths = [2 + len(example.text) / _CHARACTERS_PER_TOKEN for example in train]
    length = sum(min(length, settings.max_length) for length in lengths) / len(lengths)
    step = _seconds_per_step(config, settings, hardware, length=round(length))
    sizes = {**{split: len(splits[split]) for split in SPLITS}, "train": len(train)}
    trained, validated, tested = (steps_per_epoch(sizes[split], settings) for split in SPLITS)
    steps = settings.epochs * (trained + _FORWARD_SHARE * validated) + _FORWARD_SHARE * (validated + tested)
    return step * steps * len(settings.learning_rates)


def _seconds_per_step(
    config: DistilBertConfig, settings: TrainingSettings, hardware: Hardware, *, length: int
) -> float:
    threads = torch.get_num_threads()
    torch.set_num_threads(available_threads())
    try:
        with torch.random.fork_rng(devices=[]):
            model = DistilBertForSequenceClassification(config).train()
            set_trainable(model, body=not settings.freeze_body, embeddings=settings.trains_embeddings)
            set_dropout(model, settings.dropout)
            optimizer = make_optimizer(model, learning_rate=1e-5, head_factor=1, weight_decay=settings.weight_decay)
            ids = torch.randint(config.vocab_size, (settings.batch_size, min(length, config.max_position_embeddings)))
            labels = torch.zeros(settings.batch_size, dtype=torch.int64)
            seconds = []
            for _ in range(1 + _TIMED_STEPS):
                began = time.perf_counter()
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=hardware.precision == "bf16"):
                    loss = model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels).loss
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                seconds.append(time.perf_counter() - began)
    finally:
        torch.set_num_threads(threads)
    return sum(seconds[1:]) / _TIMED_STEPS  # the first step is warm-up
