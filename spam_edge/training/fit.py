"""Fine-tuning with the Hugging Face ``Trainer``."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    PrinterCallback,
    TrainerCallback,
    TrainingArguments,
)

from spam_edge.normalization import Normalizer
from spam_edge.threads import available_threads
from spam_edge.training.augmentation import Augmenter, Chances
from spam_edge.training.batches import LengthGroupedTrainer
from spam_edge.training.encoding import CountEpochs, TrainingMessages, encode_examples, encoder
from spam_edge.training.evaluation import SELECTION_METRIC, KeepEpoch, MetricsOfLogits, evaluate, kept_epoch
from spam_edge.training.hardware import Hardware
from spam_edge.training.messages import HAM
from spam_edge.training.optimizer import set_dropout
from spam_edge.training.progress import FreezeBody, Progress
from spam_edge.training.quiet import quiet_transformers
from spam_edge.training.settings import TrainingSettings
from spam_edge.training.splits import Example

_LOSSES_PER_EPOCH = 20


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained model, as it was after the epoch that is kept.

    Attributes:
        model: on the device it was trained on.
        learning_rate: its peak learning rate.
        best: the entry of ``epochs`` whose weights the model has.
        epochs: metrics on validation and mean training loss, one entry per epoch.
        losses: (epoch as a fraction, training loss), about 20 per epoch.
        validation: metrics of that epoch.
        test: metrics per message, and ``one_per_cluster`` with one vote per near-duplicate cluster. Not to be
            looked at when choosing anything.
    """

    model: PreTrainedModel
    learning_rate: float
    best: dict[str, float]
    epochs: list[dict[str, float]]
    losses: list[tuple[float, float]]
    validation: dict[str, Any]
    test: dict[str, Any]


def fit(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    normalizer: Normalizer,
    splits: Mapping[str, Sequence[Example]],
    settings: TrainingSettings,
    *,
    learning_rate: float,
    hardware: Hardware,
    folder: Path,
    report: Callable[[str], None],
    bar: bool = False,
) -> Fitted:
    """Train, evaluating and saving after each epoch, and go back to the epoch that is kept at the end.

    Args:
        model: with a fresh head; changed in place.
        tokenizer: of the model.
        normalizer: what messages go through before.
        splits: ``train``, ``validation`` and ``test``.
        settings: hyper-parameters but the learning rate.
        learning_rate: peak of the schedule.
        hardware: device and precision.
        folder: for the Trainer's own checkpoints; a whole one found there is gone on from.
        report: called with one line per epoch.
        bar: draw a progress bar.

    Raises:
        InputError: the learning rate was so high that the weights left the numbers.
    """
    torch.set_num_threads(available_threads())
    progress = Progress(report, f"lr {learning_rate:g}", bar=bar)
    callbacks: list[TrainerCallback] = [progress, KeepEpoch()]
    if settings.freeze_body:
        model.base_model.requires_grad_(False)
    elif settings.freeze_epochs:
        callbacks.append(FreezeBody(settings.freeze_epochs))
    encode = encoder(tokenizer, normalizer, settings.max_length)
    set_dropout(model, settings.dropout)
    train = TrainingMessages(
        with_repeats(splits["train"], settings.corpus_repeats),
        encode,
        augmenter=_augmenter(splits["train"], settings),
        seed=settings.seed,
    )
    callbacks.append(CountEpochs(train))
    data = {side: encode_examples(splits[side], encode) for side in ("validation", "test")}
    with quiet_transformers():
        trainer = LengthGroupedTrainer(
            head_factor=settings.head_factor,
            model=model,
            args=_arguments(settings, learning_rate, hardware, folder, steps_per_epoch(len(train), settings)),
            train_dataset=train,
            eval_dataset=data["validation"],
            processing_class=tokenizer,
            data_collator=DataCollatorWithPadding(tokenizer),
            compute_metrics=MetricsOfLogits(folder),
            callbacks=callbacks,
        )
        trainer.remove_callback(PrinterCallback)
        try:
            trainer.train(resume_from_checkpoint=last_whole_checkpoint(folder))
        finally:
            progress.close()
        evaluations = {side: evaluate(trainer, data[side], splits[side]) for side in data}
    epochs, losses = _history(trainer.state.log_history)
    return Fitted(model, learning_rate, epochs[kept_epoch(epochs)], epochs, losses, **evaluations)


def with_repeats(examples: Sequence[Example], corpus_repeats: int) -> list[Example]:
    """Return training examples with those of the corpus repeated, where notices stand beside them."""
    if not any(example.template for example in examples):
        return list(examples)
    return [example for example in examples for _ in range(1 if example.template else corpus_repeats)]


def steps_per_epoch(n: int, settings: TrainingSettings) -> int:
    """Optimiser steps for ``n`` messages."""
    return -(-n // settings.batch_size)


def last_whole_checkpoint(folder: Path) -> str | None:
    """Latest of the Trainer's checkpoints that was written to its end; its state file is written last."""
    whole = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json") if _is_json(path)]
    latest = max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
    return str(latest) if latest else None


def _arguments(
    settings: TrainingSettings, learning_rate: float, hardware: Hardware, folder: Path, steps: int
) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        learning_rate=learning_rate,
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=4 * settings.batch_size,  # no gradients to hold
        weight_decay=settings.weight_decay,
        warmup_ratio=settings.warmup_ratio,
        lr_scheduler_type="warmup_stable_decay",
        lr_scheduler_kwargs={"num_decay_steps": round(settings.decay * settings.epochs * steps)},
        seed=settings.seed,
        group_by_length=True,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,  # the best and the last
        load_best_model_at_end=True,
        metric_for_best_model=SELECTION_METRIC,
        greater_is_better=True,
        logging_steps=max(1, steps // _LOSSES_PER_EPOCH),
        use_cpu=hardware.device == "cpu",
        bf16=hardware.precision == "bf16",
        fp16=hardware.precision == "fp16",
        dataloader_pin_memory=hardware.device == "cuda",
        disable_tqdm=True,
        report_to="none",
    )


def _augmenter(examples: Sequence[Example], settings: TrainingSettings) -> Augmenter | None:
    if not settings.augment:
        return None
    ham = [example.text for example in examples if example.label == HAM]
    return Augmenter(ham, Chances(), seed=settings.seed)


def _history(log: Sequence[Mapping[str, float]]) -> tuple[list[dict[str, float]], list[tuple[float, float]]]:
    losses = [(entry["epoch"], entry["loss"]) for entry in log if "loss" in entry]
    evaluations = [entry for entry in log if "eval_loss" in entry]
    epochs = []
    for entry in evaluations:
        number = round(entry["epoch"])
        within = [loss for epoch, loss in losses if number - 1 < epoch <= number]
        metrics = {key.removeprefix("eval_"): value for key, value in entry.items() if key.startswith("eval_")}
        speed = ("runtime", "samples_per_second", "steps_per_second")
        epochs.append(
            {"epoch": number, "train_loss": float(np.mean(within)) if within else float("nan")}
            | {key: value for key, value in metrics.items() if key not in speed}
        )
    return epochs, losses


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True
