"""Run the whole protocol: folds, trainings, scores, figures, ``evaluation.json`` and the report page."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spam_edge.atomic import atomic_file
from spam_edge.classifier import SpamClassifier
from spam_edge.options import RuntimeOptions
from spam_edge.training.data.corpus import Prepared, prepare
from spam_edge.training.data.notices import notices
from spam_edge.training.data.sources import Corpus
from spam_edge.training.data.splits import Example, fingerprint
from spam_edge.training.model.base_model import choose_base_model
from spam_edge.training.options import wants_notices
from tests.evaluation.about import about, size_and_speed
from tests.evaluation.chance import leaky_figures, seed_figures
from tests.evaluation.errors import errors
from tests.evaluation.extras import Extra, extra_figures
from tests.evaluation.folds import CORPUS, grouped_folds, leaky_split
from tests.evaluation.goals import goals
from tests.evaluation.jobs import LEAKY, Plan, run_jobs
from tests.evaluation.notices_track import today
from tests.evaluation.pipeline import VARIANT
from tests.evaluation.report.page import write_report
from tests.evaluation.report.quote import markdown
from tests.evaluation.settings import settings_that_ship
from tests.evaluation.summary import corpus_sections
from tests.evaluation.tracks import Track

SEED = 42
"""Seed of the folds and of the first training of each."""


@dataclass(frozen=True, slots=True)
class Request:
    """Options of an evaluation.

    Attributes:
        folder: output folder of the report and of the folds.
        base_model: as in training.
        bundle: the shipped bundle, for additional files, sizes and speed; None leaves these out.
        extra: additional labelled files.
        notices: as in training.
        seeds: trainings per fold. The first is exported; the others measure the variance of training.
        quick: one fold, no additional seeds, no leaky split.
        resamples: number of bootstrap resamples.
        command: command line that repeats the evaluation.
    """

    folder: Path
    base_model: str
    bundle: Path | None
    extra: Sequence[Extra]
    notices: bool | None
    seeds: int
    quick: bool
    resamples: int
    command: str


def evaluate(request: Request, corpus: Corpus, report: Callable[[str], None]) -> dict[str, Any]:
    """Run the protocol, write ``evaluation.json`` and the report page, and return the evaluation.

    Raises:
        SpamEdgeError: corpus or base model cannot be used, or an export failed.
    """
    began = time.monotonic()
    prepared = prepare(corpus, SEED)
    examples = [example for split in prepared.splits.values() for example in split]
    added = notices(examples) if wants_notices(request.notices, corpus) else []
    recipe = fingerprint([*examples, *added])
    plan = _plan(request, prepared, added, recipe, report)
    work = run_jobs(plan.jobs(), report=report)
    folds = [work[job.name] for job in plan.fold_jobs()]
    track = Track(folds, CORPUS)
    settings = asdict(plan.settings) | {"notices": bool(added), "resamples": request.resamples}
    evaluation = about(prepared, added, settings, recipe) | {"command": request.command, "quick": request.quick}
    evaluation |= corpus_sections(track, folds, resamples=request.resamples)
    evaluation["today"] = today(folds, track, _files(request), resamples=request.resamples)
    evaluation["errors"] = errors(track)
    if request.bundle is not None:
        evaluation["size_and_speed"] = size_and_speed(SpamClassifier.load(request.bundle), track.texts)
    if plan.leaky:
        evaluation["leaky"] = leaky_figures(plan.leaky, work[LEAKY], resamples=request.resamples // 10)
    if seeds := plan.seed_jobs():
        evaluation["seeds"] = seed_figures(track, [work[job.name] for job in seeds], folds=len(folds))
    evaluation["goals"] = goals(evaluation)
    evaluation["seconds"] = round(time.monotonic() - began, 1)
    evaluation["quote"] = markdown(evaluation)
    with atomic_file(request.folder / "evaluation.json") as stream:
        json.dump(evaluation, stream, indent=1, ensure_ascii=False)
    write_report(evaluation, request.folder)
    return evaluation


def _plan(
    request: Request, prepared: Prepared, added: Sequence[Example], recipe: str, report: Callable[[str], None]
) -> Plan:
    base = choose_base_model(request.base_model)
    settings = settings_that_ship(base, request.bundle, recipe, seed=SEED, report=report)
    folds = dict(enumerate(grouped_folds(prepared, seed=SEED, notices=added)))
    if request.quick:
        # A quick run trains on all cores, which changes rounding and so the model. Full runs must not reuse it.
        return Plan(base, settings, folds={0: folds[0]}, folder=request.folder / "quick")
    return Plan(
        base,
        settings,
        folds=folds,
        folder=request.folder / "folds",
        leaky=leaky_split(prepared.corpus.messages, prepared, seed=SEED),
        more_seeds=range(SEED + 1, SEED + request.seeds),
    )


def _files(request: Request) -> list[dict[str, Any]]:
    if request.bundle is None or not request.extra:
        return []
    classifier = SpamClassifier.load(request.bundle, RuntimeOptions(device="cpu", variant=VARIANT))
    return [extra_figures(extra, classifier) for extra in request.extra]
