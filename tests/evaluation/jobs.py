"""Run the trainings of an evaluation in parallel, each pinned to its own cores.

Two single-threaded trainings side by side have a higher throughput than one with two threads.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from spam_edge.resources import available_threads
from spam_edge.training.data.corpus import Prepared
from spam_edge.training.model.base_model import BaseModel
from spam_edge.training.settings import TrainingSettings

LEAKY = "leaky"
"""Name of the job on the leaky random split."""


@dataclass(frozen=True, slots=True)
class Job:
    """One training and the scoring of its test split.

    Attributes:
        name: unique name of the job and of its folder.
        prepared: the split to train on and to test.
        base: model to fine-tune.
        settings: training settings.
        folder: parent of the job's folder.
        exported: export to int8 and score the baselines too; otherwise score only the PyTorch model.
    """

    name: str
    prepared: Prepared
    base: BaseModel
    settings: TrainingSettings
    folder: Path
    exported: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The trainings of an evaluation.

    Attributes:
        base: model to fine-tune.
        settings: settings of the shipped model's training.
        folds: the grouped folds by number.
        folder: parent of the jobs' folders.
        leaky: the leaky random split; None leaves it out.
        more_seeds: additional seeds for every fold.
    """

    base: BaseModel
    settings: TrainingSettings
    folds: Mapping[int, Prepared]
    folder: Path
    leaky: Prepared | None = None
    more_seeds: Sequence[int] = ()

    def jobs(self) -> list[Job]:
        """Return all jobs, the exported folds first."""
        leaky = [self._job(LEAKY, self.leaky)] if self.leaky else []
        return [*self.fold_jobs(), *leaky, *self.seed_jobs()]

    def fold_jobs(self) -> list[Job]:
        """Return one exported job per fold."""
        return [self._job(f"fold {number}", fold, exported=True) for number, fold in self.folds.items()]

    def seed_jobs(self) -> list[Job]:
        """Return one job per fold for each additional seed, seed by seed."""
        return [
            self._job(f"fold {number} seed {seed}", fold, seed=seed)
            for seed in self.more_seeds
            for number, fold in self.folds.items()
        ]

    def _job(self, name: str, prepared: Prepared, *, exported: bool = False, seed: int | None = None) -> Job:
        settings = self.settings if seed is None else replace(self.settings, seed=seed)
        return Job(name, prepared, self.base, settings, self.folder, exported)


def run_jobs(jobs: Sequence[Job], *, report: Callable[[str], None]) -> dict[str, Any]:
    """Run all jobs in parallel, at most one per available core. Fewer jobs than cores share the cores.

    Returns:
        By job name, :data:`tests.evaluation.tracks.FoldScores` of an exported job, PyTorch margins of any other.
    """
    # Spinning OpenMP threads take CPU time from the jobs beside them. OpenMP reads this once, when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    context = multiprocessing.get_context("spawn")
    shares = shares_of(_cores(), len(jobs))
    queue = context.Queue()
    for share in shares:
        queue.put(share)
    with ProcessPoolExecutor(len(shares), mp_context=context, initializer=_take_cores, initargs=(queue,)) as pool:
        running = {pool.submit(run, job): job for job in jobs}
        for done in tqdm(as_completed(running), "trainings", total=len(running), disable=None):
            done.result()
            report(f"{running[done].name}: done")
        return {job.name: future.result() for future, job in running.items()}


def run(job: Job) -> Any:
    """Run one job in this process."""
    from tests.evaluation.baselines import fitters
    from tests.evaluation.pipeline import Pipeline
    from tests.evaluation.scoring import score_fold, score_in_pytorch

    pipeline = Pipeline(job.base, job.settings, folder=job.folder, report=_tell)
    if job.exported:
        return score_fold(job.name, job.prepared, pipeline, fitters(job.base))
    return score_in_pytorch(job.name, job.prepared, pipeline)


def _cores() -> list[int]:
    """Return the CPU numbers this process may use, as many as :func:`available_threads` allows.

    Without CPU affinity support the numbers are placeholders.
    """
    known = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(available_threads())
    return list(known)[: available_threads()]


def shares_of(cores: Sequence[int], n_jobs: int) -> list[list[int]]:
    """Distribute the cores over the worker processes, at most one process per job."""
    n = max(1, min(len(cores), n_jobs))
    return [list(cores[first::n]) for first in range(n)]


def _take_cores(queue: Any) -> None:
    import torch

    share = queue.get()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, share)
    torch.set_num_threads(len(share))  # torch counted all cores when it was imported


def _tell(line: str) -> None:
    tqdm.write(line, file=sys.stderr)
