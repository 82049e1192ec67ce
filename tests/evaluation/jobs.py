"""The trainings of an evaluation, one to a core: two at once on one thread each do more than one on two threads."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from spam_edge.threads import available_threads
from spam_edge.training.base_model import BaseModel
from spam_edge.training.corpus import Prepared
from spam_edge.training.settings import TrainingSettings

LEAKY = "leaky"
"""Name of the job with the split of most papers."""


@dataclass(frozen=True, slots=True)
class Job:
    """One training and what is scored with it.

    Attributes:
        name: of its folder; no two jobs have the same.
        prepared: whom it trains on.
        base: model that is fine-tuned.
        settings: of the training.
        folder: where its folder lies.
        exported: goes the whole way to the int8 file, beside the baselines; otherwise only PyTorch scores it.
    """

    name: str
    prepared: Prepared
    base: BaseModel
    settings: TrainingSettings
    folder: Path
    exported: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What an evaluation trains.

    Attributes:
        base: model that is fine-tuned.
        settings: of the training that ships.
        folds: the splits that count.
        folder: where everything is kept.
        leaky: the split of most papers, if it is wanted.
        more_seeds: further seeds to train every fold with.
    """

    base: BaseModel
    settings: TrainingSettings
    folds: Mapping[int, Prepared]
    folder: Path
    leaky: Prepared | None = None
    more_seeds: Sequence[int] = ()

    def jobs(self) -> list[Job]:
        """Return everything, what counts first."""
        leaky = [self._job(LEAKY, self.leaky)] if self.leaky else []
        return [*self.fold_jobs(), *leaky, *self.seed_jobs()]

    def fold_jobs(self) -> list[Job]:
        """Return the folds that go the whole way."""
        return [self._job(f"fold {number}", fold, exported=True) for number, fold in self.folds.items()]

    def seed_jobs(self) -> list[Job]:
        """Return all folds with the second seed, then with the third, ..."""
        return [
            self._job(f"fold {number} seed {seed}", fold, seed=seed)
            for seed in self.more_seeds
            for number, fold in self.folds.items()
        ]

    def _job(self, name: str, prepared: Prepared, *, exported: bool = False, seed: int | None = None) -> Job:
        settings = self.settings if seed is None else replace(self.settings, seed=seed)
        return Job(name, prepared, self.base, settings, self.folder, exported)


def run_jobs(jobs: Sequence[Job], *, report: Callable[[str], None]) -> dict[str, Any]:
    """Run all jobs, as many at once as this process has cores; fewer jobs than these share them out.

    Returns:
        By name, of an exported job its :data:`tests.evaluation.tracks.FoldScores`, of any other PyTorch's margins.
    """
    # Threads that wait by spinning take the core their sibling needs; OpenMP reads this when torch is first imported.
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
    """Return as many cores as this process may keep busy; where they have no numbers, any."""
    known = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(available_threads())
    return list(known)[: available_threads()]


def shares_of(cores: Sequence[int], n_jobs: int) -> list[list[int]]:
    """Return the cores of each process: of as many processes as there is work for, all cores between them."""
    n = max(1, min(len(cores), n_jobs))
    return [list(cores[first::n]) for first in range(n)]


def _take_cores(queue: Any) -> None:
    import torch

    share = queue.get()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, share)
    torch.set_num_threads(len(share))  # it counted the cores before


def _tell(line: str) -> None:
    tqdm.write(line, file=sys.stderr)
