"""Training pipeline from a prepared corpus to a checkpoint."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from spam_edge.resources import available_threads
from spam_edge.text.normalization import VERSION, Normalizer
from spam_edge.training import checkpoint
from spam_edge.training.data import splits
from spam_edge.training.data.corpus import Prepared
from spam_edge.training.data.normalizer_tables import make_tables
from spam_edge.training.fit import Fitted, fit
from spam_edge.training.metrics.curves import draw_curves
from spam_edge.training.metrics.evaluation import selection_score
from spam_edge.training.model import base_model, hardware
from spam_edge.training.settings import TrainingSettings

RECORD_SCHEMA_VERSION = 1


def train(
    prepared: Prepared,
    base: base_model.BaseModel,
    settings: TrainingSettings,
    *,
    output: Path,
    resume: bool = False,
    report: Callable[[str], None],
    bar: bool = False,
) -> Mapping[str, Any]:
    """Train and write the checkpoint to ``output``. An earlier checkpoint is replaced at the end.

    Args:
        prepared: corpus and splits.
        base: model to start from.
        settings: hyper-parameters.
        output: folder of the checkpoint.
        resume: resume an interrupted run of the same settings and data.
        report: called with each line of progress.
        bar: draw a progress bar.

    Returns:
        The contents of ``training.json``.

    Raises:
        InputError: base model or output folder is unusable, or training diverged.
    """
    began = time.monotonic()
    checkpoint.prepare_output(output)
    partial = checkpoint.PartialRun(output)
    machine = hardware.detect()
    if resume and machine.device == "cpu":
        machine = replace(machine, precision=partial.precision() or machine.precision)
    tokenizer = base_model.load_tokenizer(base, settings.max_length)
    tables = make_tables(example.text for example in prepared.splits["train"])
    vocabulary = tokenizer.get_vocab()
    normalizer = Normalizer(lambda: tables, vocabulary.__contains__)
    identity = _identity(prepared, base, settings, machine)
    report(partial.begin(identity, resume=resume))
    fitted = [
        fit(
            base_model.load_model(base, settings.seed),
            tokenizer,
            normalizer,
            prepared.splits,
            settings,
            learning_rate=rate,
            hardware=machine,
            folder=partial.path / f"lr-{rate:g}",
            report=report,
            bar=bar,
        )
        for rate in settings.learning_rates
    ]
    best = max(fitted, key=lambda result: selection_score(result.validation["pr_auc"], result.validation["loss"]))
    record = _record(identity, prepared, base, fitted, best) | {"seconds": round(time.monotonic() - began, 1)}
    title = (
        f"{Path(base.name).name} on {len(prepared.splits['train'])} messages: learning rate {best.learning_rate:g}, "
        f"batch {settings.batch_size}"
    )
    plot = draw_curves(best.epochs, best.losses, best.epoch, title)
    checkpoint.write_checkpoint(
        output,
        model=best.model,
        tokenizer=tokenizer,
        tables=tables,
        splits=prepared.splits,
        cleaning=prepared.report,
        record=record,
        plot=plot,
    )
    partial.discard()
    return record


def _identity(
    prepared: Prepared, base: base_model.BaseModel, settings: TrainingSettings, machine: hardware.Hardware
) -> dict[str, Any]:
    """Return everything that determines the weights."""
    return {
        "settings": asdict(settings),
        "fingerprint": prepared.fingerprint,
        "base_model": {
            "name": base.name,
            "source": base.source,
            "weights_sha256": base_model.weights_sha256(base_model.load_model(base, settings.seed)),
        },
        "hardware": asdict(machine),
        "versions": checkpoint.versions(),
        "normalizer_version": VERSION,
    }


def _record(
    identity: Mapping[str, Any],
    prepared: Prepared,
    base: base_model.BaseModel,
    fitted: Sequence[Fitted],
    best: Fitted,
) -> dict[str, Any]:
    corpus = prepared.corpus
    settings = identity["settings"] | {"learning_rate": best.learning_rate}
    sweep = [
        {"learning_rate": result.learning_rate, "epoch": result.epoch, "validation": result.validation}
        for result in fitted
    ]
    return {
        "schema_version": RECORD_SCHEMA_VERSION,
        "settings": settings,
        "normalizer_version": identity["normalizer_version"],
        "base_model": identity["base_model"] | {"reason": base.reason},
        "corpus": {
            "name": corpus.name,
            "source": corpus.source,
            "reason": corpus.reason,
            "fingerprint": prepared.fingerprint,
            "cleaning": asdict(prepared.cleaning),
        },
        "splits": {split: splits.describe(examples) for split, examples in prepared.splits.items()},
        "selection": {
            "metric": "latest epoch whose calibrated validation loss is within one standard error of the lowest; "
            "the average of the last steps, if its loss is not above that of this epoch",
            "epoch": best.epoch,
            "averaged": best.averaged,
        },
        "sweep": sweep if len(sweep) > 1 else [],
        "epochs": best.epochs,
        "losses": best.losses,
        "validation": best.validation,
        "test": best.test,
        "device": identity["hardware"]["device"],
        "hardware": identity["hardware"] | {"threads": available_threads()},
        "precision": identity["hardware"]["precision"],
        "versions": identity["versions"],
        "git_commit": checkpoint.git_commit(),
    }
