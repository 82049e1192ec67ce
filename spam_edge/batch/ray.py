"""Ray: each list of texts is a task, which Ray gives to another process where one dies."""

import os
import re
import socket
from collections.abc import Sequence
from typing import Any

from spam_edge.batch.cluster import ATTEMPTS, ClusterEngine, for_workers, judge_there, library, starting
from spam_edge.batch.engine import Model, Verdicts
from spam_edge.batch.resources import default_workers
from spam_edge.errors import SpamEdgeError

_STORE_BYTES = 200 * 2**20
"""For the texts that are under way; Ray would take a third of the memory."""


class RayEngine(ClusterEngine):
    """Tasks on the Ray that runs in this process, else that of ``RAY_ADDRESS``, else one that ends with this engine."""

    name = "ray"

    def __init__(self, model: Model, workers: int | None = None) -> None:
        """Join or start Ray; by default there are as many workers as it has processors for.

        Raises:
            JobError: Ray is not installed.
            WorkerError: it cannot be reached or started.
        """
        self._ray = library("ray", extra="ray")
        model = for_workers(model)
        threads = model.options.threads or 1
        self._joined = self._join(workers or default_workers(model.options), threads)
        count, processors = _capacity(self._ray, threads)
        super().__init__(workers or count)
        remote = self._ray.remote(num_cpus=processors, max_retries=ATTEMPTS - 1)
        self._task = remote(judge_there)
        self._model = model
        self._pending: set[Any] = set()

    def _join(self, workers: int, threads: int) -> bool:
        """Return whether there was no connection before."""
        if self._ray.is_initialized():
            return False
        address = os.environ.get("RAY_ADDRESS") or "local"
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        if address != "local":
            with starting(f"Ray at {address} (RAY_ADDRESS)"):
                _knock(address)
                self._ray.init(address=address, **quiet)
            return True
        with starting("Ray", RAY_USAGE_STATS_ENABLED="0"):
            self._ray.init(
                address=address,
                num_cpus=workers * threads,
                include_dashboard=False,
                object_store_memory=_STORE_BYTES,
                **quiet,
            )
        return True

    def _ask(self, texts: Sequence[str]) -> Verdicts | SpamEdgeError:
        reference = self._task.remote(self._model, texts)
        self._pending.add(reference)
        try:
            answer: Verdicts | SpamEdgeError = self._ray.get(reference)
        finally:
            self._pending.discard(reference)
        return answer

    def _cancel(self) -> None:
        for reference in list(self._pending):
            self._ray.cancel(reference, force=True)

    def _close(self) -> None:
        if self._joined:  # which ends a Ray that was started, and leaves another one running
            self._ray.shutdown()


def _knock(address: str) -> None:
    """Find out whether anybody answers there: Ray alone would try for many minutes."""
    if found := re.fullmatch(r"(?:ray://)?\[?([^/]+?)\]?:(\d+)", address):
        socket.create_connection((found[1], int(found[2])), timeout=30).close()


def _capacity(ray: Any, threads: int) -> tuple[int, int]:
    """Return how many tasks of so many threads run at a time, and the processors to ask for: no node may have more."""
    nodes = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    processors = min(threads, max(nodes, default=0) or threads)
    return max(1, sum(node // processors for node in nodes)), processors
