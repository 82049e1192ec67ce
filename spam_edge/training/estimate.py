"""How long a training will take on this machine, measured on a few steps before it begins."""

import time
from collections.abc import Callable, Mapping, Sequence

import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from spam_edge.errors import InputError
from spam_edge.threads import available_threads
from spam_edge.training.base_model import BaseModel, load_config, packaged_base_model
from spam_edge.training.fit import steps_per_epoch, with_repeats
from spam_edge.training.hardware import Hardware, detect
from spam_edge.training.optimizer import make_optimizer, set_dropout
from spam_edge.training.progress import in_words
from spam_edge.training.settings import TrainingSettings
from spam_edge.training.sources import PACKAGED
from spam_edge.training.splits import SPLITS, Example

SLOW_MINUTES = 15
_CHARACTERS_PER_TOKEN = 3.4
"""Of the packaged corpus and the notices in DistilBERT's vocabulary, which is not at hand before it is downloaded."""
_TIMED_STEPS = 3
_FORWARD_SHARE = 1 / 3
"""Of a step, what an evaluation takes: the gradients cost two thirds."""


def slow_warning(
    base: BaseModel, settings_of: Callable[[BaseModel], TrainingSettings], sides: Mapping[str, Sequence[Example]]
) -> str | None:
    """Return a line that says how long training takes and what is quicker; None with a GPU and below 15 minutes.

    Args:
        base: model to start from; only its configuration is read.
        settings_of: the settings with a base model.
        sides: ``train``, ``validation`` and ``test``.

    Raises:
        InputError: the configuration cannot be read or is not that of a DistilBERT.
    """
    config = load_config(base)
    hardware = detect()
    if hardware.device != "cpu":
        return None
    seconds = estimate_seconds(config, sides, settings_of(base), hardware)
    if seconds < 60 * SLOW_MINUTES:
        return None
    line = f"training {base.name} takes about {in_words(seconds)} from its beginning on this machine, without a GPU"
    if base.source == PACKAGED:
        return line
    quicker = packaged_base_model()
    try:
        seconds = estimate_seconds(load_config(quicker), sides, settings_of(quicker), hardware)
    except InputError:  # it is not installed
        return f"{line}; quicker is --base-model packaged (BASE_MODEL=packaged with make)"
    return f"{line}; --base-model packaged (BASE_MODEL=packaged with make) takes about {in_words(seconds)}"


def estimate_seconds(
    config: DistilBertConfig, sides: Mapping[str, Sequence[Example]], settings: TrainingSettings, hardware: Hardware
) -> float:
    """Time some steps of a model of random weights on the CPU, and count how many there will be.

    Returns:
        Seconds from the first step to the last, without what is read, tokenised and written.
    """
    train = with_repeats(sides["train"], settings.corpus_repeats)
    lengths = [2 + len(example.text) / _CHARACTERS_PER_TOKEN for example in train]
    length = sum(min(length, settings.max_length) for length in lengths) / len(lengths)
    step = _seconds_per_step(config, settings, hardware, length=round(length))
    sizes = {**{side: len(sides[side]) for side in SPLITS}, "train": len(train)}
    trained, validated, tested = (steps_per_epoch(sizes[side], settings) for side in SPLITS)
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
            model.base_model.requires_grad_(not settings.freeze_body)
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
    return sum(seconds[1:]) / _TIMED_STEPS  # the first one allocates
