"""The whole way from a corpus to a checkpoint."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spam_edge.normalization import VERSION, Normalizer
from spam_edge.threads import available_threads
from spam_edge.training import base_model, checkpoint, hardware, splits
from spam_edge.training.corpus import Prepared
from spam_edge.training.curves import draw_curves
from spam_edge.training.evaluation import selection_score
from spam_edge.training.fit import Fitted, fit
from spam_edge.training.normalizer_tables import make_tables
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
    """Train and write the checkpoint; what stood at ``output`` is replaced at the very end.

    Args:
        prepared: corpus and splits.
        base: model to start from.
        settings: hyper-parameters.
        output: folder of the checkpoint.
        resume: go on with an interrupted run of the same settings and data.
        report: called with each line of progress.
        bar: draw a progress bar.

    Returns:
        The contents of ``training.json``.

    Raises:
        InputError: base model or output folder cannot be used.
    """
    began = time.monotonic()
    checkpoint.prepare_output(output)
    machine = hardware.detect()
    tokenizer = base_model.load_tokenizer(base, settings.max_length)
    tables = make_tables(example.text for example in prepared.sides["train"])
    vocabulary = tokenizer.get_vocab()
    normalizer = Normalizer(lambda: tables, vocabulary.__contains__)
    identity = {
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
    partial = checkpoint.PartialRun(output)
    report(partial.begin(identity, resume=resume))
    fitted = [
        fit(
            base_model.load_model(base, settings.seed),
            tokenizer,
            normalizer,
            prepared.sides,
            settings,
            learning_rate=rate,
            hardware=machine,
            folder=partial.path / f"lr-{rate:g}",
            report=report,
            bar=bar,
        )
        for rate in settings.learning_rates
    ]
    best = max(fitted, key=lambda result: selection_score(result.best["pr_auc"], result.best["loss"]))
    record = _record(identity, prepared, base, fitted, best) | {"seconds": round(time.monotonic() - began, 1)}
    title = (
        f"{Path(base.name).name} on {len(prepared.sides['train'])} messages: learning rate {best.learning_rate:g}, "
        f"batch {settings.batch_size}"
    )
    plot = draw_curves(best.epochs, best.losses, best.best["epoch"], title)
    checkpoint.write_checkpoint(
        output,
        model=best.model,
        tokenizer=tokenizer,
        tables=tables,
        splits=prepared.sides,
        cleaning=prepared.report,
        record=record,
        plot=plot,
    )
    partial.discard()
    return record


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
        {"learning_rate": result.learning_rate, "epoch": result.best["epoch"], "validation": result.validation}
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
        "splits": {side: splits.describe(examples) for side, examples in prepared.sides.items()},
        "selection": {
            "metric": "latest epoch whose calibrated validation loss is within one standard error of the lowest",
            "epoch": best.best["epoch"],
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
