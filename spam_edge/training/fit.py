"""Fine-tuning with the Hugging Face ``Trainer``."""

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
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

from spam_edge.resources import available_threads
from spam_edge.text.normalization import Normalizer
from spam_edge.training.averaging import AverageWeights
from spam_edge.training.batches import LengthGroupedTrainer
from spam_edge.training.checkpoint import named_write_errors
from spam_edge.training.data.augmentation import Augmenter, Probabilities
from spam_edge.training.data.messages import HAM
from spam_edge.training.data.mixture import mix
from spam_edge.training.data.splits import Example
from spam_edge.training.metrics.evaluation import (
    SELECTION_METRIC,
    KeepEpoch,
    MetricsOfLogits,
    calibrated_loss,
    evaluate,
    select_epoch,
)
from spam_edge.training.model.encoding import CountEpochs, TrainingMessages, encode_examples, encoder
from spam_edge.training.model.hardware import Hardware
from spam_edge.training.model.optimizer import set_dropout, set_trainable
from spam_edge.training.model.quiet import quiet_transformers
from spam_edge.training.progress import FreezeBody, Progress
from spam_edge.training.settings import TrainingSettings

_LOSSES_PER_EPOCH = 20


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained model: the average of the last steps, or the selected epoch if that has a lower validation loss.

    Attributes:
        model: on the device it was trained on.
        learning_rate: peak learning rate.
        epoch: the selected epoch, counted from 1.
        averaged: the weights are the average, not those of the epoch.
        epochs: validation metrics and mean training loss, one entry per epoch.
        losses: (fractional epoch, training loss), about 20 per epoch.
        validation: metrics of the model on the validation split.
        test: metrics on the test split per message, and ``one_per_cluster`` with one vote per near-duplicate cluster.
            Never used for model selection.
    """

    model: PreTrainedModel
    learning_rate: float
    epoch: int
    averaged: bool
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
    """Train, evaluate and checkpoint after each epoch, then load the selected epoch or the average of the last steps.

    Args:
        model: encoder with a new head; modified in place.
        tokenizer: tokenizer of the model.
        normalizer: applied to each message before tokenisation.
        splits: examples of ``train``, ``validation`` and ``test``.
        settings: hyper-parameters except the learning rate.
        learning_rate: peak of the schedule.
        hardware: device and precision.
        folder: the Trainer's checkpoints; training resumes from the latest complete one.
        report: called with one line per epoch.
        bar: draw a progress bar.

    Raises:
        InputError: training diverged, or a checkpoint cannot be written.
    """
    torch.set_num_threads(available_threads())
    progress = Progress(report, f"lr {learning_rate:g}", bar=bar)
    average = AverageWeights(settings.average, folder)
    callbacks: list[TrainerCallback] = [progress, KeepEpoch(), average]
    set_trainable(model, body=not settings.freeze_body, embeddings=settings.trains_embeddings)
    if settings.freeze_epochs:
        callbacks.append(FreezeBody(settings.freeze_epochs, embeddings=settings.trains_embeddings))
    encode = encoder(tokenizer, normalizer, settings.max_length)
    set_dropout(model, settings.dropout)
    train = TrainingMessages(
        lambda epoch: mix(splits["train"], settings, epoch),
        encode,
        augmenter=_augmenter(splits["train"], settings),
        seed=settings.seed,
    )
    callbacks.append(CountEpochs(train))
    data = {split: encode_examples(splits[split], encode) for split in ("validation", "test")}
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
            with named_write_errors(folder):
                trainer.train(resume_from_checkpoint=last_whole_checkpoint(folder))
        finally:
            progress.close()
        epochs, losses = _history(trainer.state.log_history)
        epoch = 1 + select_epoch(epochs)
        loss_of_average = partial(calibrated_loss, trainer, data["validation"])
        averaged = _take_average(model, average, loss_of_average, limit=epochs[epoch - 1]["calibrated_loss"])
        evaluations = {split: evaluate(trainer, data[split], splits[split]) for split in data}
    return Fitted(model, learning_rate, epoch, averaged, epochs, losses, **evaluations)


def _take_average(model: PreTrainedModel, average: AverageWeights, loss: Callable[[], float], *, limit: float) -> bool:
    """Load the average of the last steps; restore the weights if its validation loss is above the limit.

    Returns:
        Whether the model has the average.
    """
    of_epoch = deepcopy(model.state_dict())
    if not average.load_into(model):
        return False
    if loss() <= limit:
        return True
    model.load_state_dict(of_epoch)
    return False


def steps_per_epoch(n: int, settings: TrainingSettings) -> int:
    """Return the number of batches for ``n`` messages."""
    return -(-n // settings.batch_size)


def last_whole_checkpoint(folder: Path) -> str | None:
    """Return the latest complete checkpoint of the Trainer, or None. The Trainer writes the state file last."""
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
        per_device_eval_batch_size=4 * settings.batch_size,  # no gradients in memory
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
    return Augmenter(ham, Probabilities(), seed=settings.seed)


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
