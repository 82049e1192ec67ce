"""``python -m tests.evaluation``: the whole protocol, from folds to the page."""

import json
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import numpy as np

from spam_edge.atomic import atomic_file
from spam_edge.errors import SpamEdgeError
from spam_edge.training.options import corpus_options, take_read_options
from spam_edge.training.sources import Corpus, load_corpus

_DEFAULT_SEED = 42


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be evaluated.

    Attributes:
        folder: where the report goes; the folds lie in it, too.
        bundle: what ships, for other corpora and for sizes; None leaves these out.
        extra: name and file of further corpora.
        notices: as of the training.
        seeds: how many trainings of every fold; the first one goes the whole way, the others tell chance.
        quick: one fold, no further seeds, no leaky split.
        resamples: of the bootstrap.
        command: what does it again.
    """

    folder: Path
    bundle: Path | None
    extra: Sequence[tuple[str, Path]]
    notices: bool
    seeds: int
    quick: bool
    resamples: int
    command: str


def _parse_extra(context: click.Context, option: click.Parameter, values: Sequence[str]) -> list[tuple[str, Path]]:
    found = []
    for value in values:
        name, separator, path = value.partition("=")
        if not separator or not name or not Path(path).is_file():
            raise click.BadParameter(f"{value!r} is not NAME=FILE with a file that exists", context, option)
        found.append((name, Path(path)))
    return found


@click.command(
    epilog="Example: python -m tests.evaluation --extra newer=labelled.tsv",
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 120},
)
@corpus_options
@click.option("--base-model", default="auto", help="Base model, as in training.")
@click.option(
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("artifacts/report"),
    help="Where the report goes.",
)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    default=Path("artifacts/bundle"),
    help="What ships: scores the other corpora.",
)
@click.option(
    "--extra", multiple=True, callback=_parse_extra, metavar="NAME=FILE", help="A further labelled corpus; repeat."
)
@click.option("--seeds", type=click.IntRange(1), default=2, help="Trainings of every fold.")
@click.option("--resamples", type=click.IntRange(10), default=2000, help="Of the bootstrap.")
@click.option("--quick", is_flag=True, help="One fold, one seed, no leaky split: a first look in some minutes.")
def main(*, data: tuple[str, ...], base_model: str, bundle: Path, **options: Any) -> None:
    """Judge the pipeline that ships on messages it has never seen, and write a page about it.

    Five grouped folds are trained, exported to int8 and scored, clean and in every disguise, beside baselines in the
    same folds. What is finished is kept in the folder of the report: a run that was interrupted goes on.
    """
    try:
        reading = take_read_options(options)
        command = shlex.join(["python", "-m", "tests.evaluation", *sys.argv[1:]])
        request = Request(bundle=bundle if bundle.is_dir() else None, command=command, **options)
        evaluation = evaluate(request, load_corpus(data, reading), base_model)
    except SpamEdgeError as error:
        raise click.ClickException(str(error)) from error
    for goal in evaluation["goals"]:
        click.echo(f"{'met' if goal['met'] else 'MISSED':8}{goal['name']:70} {goal['goal']:>9}  {goal['text']}")
    click.echo(f"wrote {request.folder / 'index.html'}", err=True)


def evaluate(request: Request, corpus: Corpus, base_name: str) -> dict[str, Any]:
    """Run the protocol and write ``evaluation.json`` and the page.

    Raises:
        SpamEdgeError: corpus or base model cannot be used, or an export went wrong.
    """
    from spam_edge.training.base_model import choose_base_model
    from spam_edge.training.corpus import prepare
    from spam_edge.training.notices import with_notices
    from tests.evaluation.errors import errors
    from tests.evaluation.folds import grouped_folds, leaky_split
    from tests.evaluation.goals import goals
    from tests.evaluation.jobs import LEAKY, Plan, run_jobs
    from tests.evaluation.report.page import write_report
    from tests.evaluation.report.quote import markdown
    from tests.evaluation.settings import settings_that_ship
    from tests.evaluation.summary import OutOfFold

    began = time.monotonic()
    prepared = prepare(corpus, _DEFAULT_SEED)
    base = choose_base_model(base_name)
    trained_on = with_notices if request.notices else lambda fold: fold
    recipe = trained_on(prepared).fingerprint
    settings = settings_that_ship(base, request.bundle, recipe, seed=_DEFAULT_SEED, report=_say)
    folds = {number: trained_on(fold) for number, fold in enumerate(grouped_folds(prepared, seed=_DEFAULT_SEED))}
    plan = Plan(base, settings, folds=folds, folder=request.folder / "folds")
    if request.quick:
        # On all cores, which makes it another model than that of one core: it must not count in a whole evaluation.
        plan = replace(plan, folds={0: folds[0]}, folder=request.folder / "quick")
    else:
        plan = replace(
            plan,
            leaky=trained_on(leaky_split(prepared.corpus.messages, prepared, seed=_DEFAULT_SEED)),
            more_seeds=range(_DEFAULT_SEED + 1, _DEFAULT_SEED + request.seeds),
        )
    work = run_jobs(plan.jobs(), report=_say)
    found = OutOfFold([work[job.name] for job in plan.fold_jobs()], resamples=request.resamples)
    evaluation = _about(request, prepared, recipe, asdict(settings) | {"notices": request.notices})
    evaluation |= found.summary()
    evaluation["errors"] = errors(found)
    if request.bundle is not None:
        evaluation["size_and_speed"] = _size_and_speed(request.bundle, found.texts)
        evaluation["corpora"] = [_other_corpus(request.bundle, name, path) for name, path in request.extra]
    if plan.leaky:
        evaluation["leaky"] = _leaky(plan.leaky, work[LEAKY], request.resamples // 10)
        if request.seeds > 1:
            evaluation["seeds"] = _seeds(found, [work[job.name] for job in plan.seed_jobs()], len(folds))
    evaluation["goals"] = goals(evaluation)
    evaluation["seconds"] = round(time.monotonic() - began, 1)
    evaluation["quote"] = markdown(evaluation)
    with atomic_file(request.folder / "evaluation.json") as stream:
        json.dump(evaluation, stream, indent=1, ensure_ascii=False)
    write_report(evaluation, request.folder)
    return evaluation


def _about(request: Request, prepared: Any, recipe: str, settings: dict[str, Any]) -> dict[str, Any]:
    from spam_edge.normalization import VERSION
    from spam_edge.threads import available_threads
    from spam_edge.training.checkpoint import git_commit, versions
    from spam_edge.training.splits import describe
    from tests.benchmarks.machine import describe_machine

    sizes = describe([example for side in prepared.sides.values() for example in side])
    spam = len({e.cluster for side in prepared.sides.values() for e in side if e.label == "SPAM"})
    return {
        "schema_version": 1,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": request.command,
        "git_commit": git_commit(),
        "quick": request.quick,
        "machine": describe_machine(available_threads()),
        "versions": versions(),
        "settings": settings | {"resamples": request.resamples},
        "normalizer_version": str(VERSION),
        "corpus": {
            "name": prepared.corpus.name,
            "fingerprint": recipe,
            "rows": sizes["rows"],
            "clusters": sizes["clusters"],
            "ham_clusters": sizes["clusters"] - spam,
            "spam_clusters": spam,
        },
    }


def _size_and_speed(bundle: Path, texts: list[str]) -> dict[str, Any]:
    """Return the size of each file, and the messages per second of the one that this machine takes: of three rounds."""
    from spam_edge.classifier import SpamClassifier

    classifier = SpamClassifier.load(bundle)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        classifier.score(texts)
        seconds.append(time.perf_counter() - start)
    return {
        "variant": classifier.variant,
        "messages_per_second": round(len(texts) / sorted(seconds)[1]),
        "bytes": {name: variant.bytes for name, variant in classifier.manifest.variants.items()},
    }


def _other_corpus(bundle: Path, name: str, path: Path) -> dict[str, Any]:
    from spam_edge.classifier import SpamClassifier
    from spam_edge.session import RuntimeOptions
    from spam_edge.training.readers import ReadOptions, read_messages
    from tests.evaluation.pipeline import VARIANT
    from tests.evaluation.summary import corpus_figures

    classifier = SpamClassifier.load(bundle, RuntimeOptions(device="cpu", variant=VARIANT))
    messages = list(read_messages(path, ReadOptions()))
    scores = classifier.score([message.text for message in messages]).astype(np.float64)
    is_spam = np.array([message.is_spam for message in messages])
    note = "scored by the bundle that ships, at its balanced threshold"
    return corpus_figures(name, note, scores, is_spam, classifier.threshold)


def _leaky(prepared: Any, margins: list[float], resamples: int) -> dict[str, Any]:
    """Return what the split of most papers would make of the same model, in PyTorch."""
    from spam_edge.training.messages import SPAM
    from tests.evaluation.statistics import Measured, Scored

    scores = np.asarray(margins, dtype=np.float64)
    is_spam = np.array([example.label == SPAM for example in prepared.sides["test"]])
    scored = Scored(scores, scores > 0, is_spam, np.arange(len(scores)))
    return {
        "title": "random 70/10/20 split with duplicates and templates on every side, PyTorch",
        "metrics": Measured.of(scored, resamples=resamples).with_intervals(),
    }


def _seeds(found: Any, margins: Sequence[list[float]], folds: int) -> dict[str, Any]:
    """Return mean and standard deviation over trainings of all folds that differ in their seed alone, in PyTorch."""
    from tests.evaluation.statistics import Scored, measures

    first = found.systems["pytorch"]
    runs = [measures(first.one_per_cluster)]
    for start in range(0, len(margins), folds):
        scores = np.concatenate([np.asarray(one) for one in margins[start : start + folds]])
        runs.append(measures(Scored(scores, scores > 0, first.is_spam, first.clusters).one_per_cluster))
    return {
        name: {
            "mean": float(np.mean([run[name] for run in runs])),
            "sd": float(np.std([run[name] for run in runs], ddof=1)),
            "values": [run[name] for run in runs],
        }
        for name in runs[0]
        if name.startswith(("recall_at", "pr_auc", "roc"))
    }


def _say(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main(prog_name="python -m tests.evaluation")
