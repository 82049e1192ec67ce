"""The Ray engine: each list of texts is one task, which Ray retries when a worker dies."""

import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from ipaddress import ip_address
from typing import Any

from spam_edge.batch.backends.base import Model, Verdicts
from spam_edge.batch.backends.cluster import ATTEMPTS, ClusterEngine, classify_in_worker, for_workers, library, starting
from spam_edge.batch.backends.worker_count import default_workers
from spam_edge.errors import SpamEdgeError

_STORE_BYTES = 200 * 2**20
"""Object store for texts in flight; Ray's default is a third of the memory."""
_NOBODY = "http://127.0.0.1:9"
"""A proxy that does not exist: the discard port of this machine."""
_AT_HOME = {
    # Ray names this variable after its use, but it selects the loopback address, on every system.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Even without a usage report, a process of Ray asks the metadata services of the clouds, by address and by name.
    # No setting of Ray stops it, but it follows the proxy. NO_PROXY often lists these services.
    **dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"), _NOBODY),
    **dict.fromkeys(("no_proxy", "NO_PROXY"), "localhost,127.0.0.1,::1"),
}
"""Environment of a Ray that this engine starts, and of its workers."""


class RayEngine(ClusterEngine):
    """Runs tasks on this process's Ray, else the one at ``RAY_ADDRESS``, else a local one that ends with the engine.

    The local one stays on this machine: it listens on loopback and sends nothing elsewhere.
    """

    name = "ray"

    def __init__(self, model: Model, workers: int | None = None) -> None:
        """Join or start Ray. The default number of workers follows from its CPUs.

        Raises:
            JobError: Ray is not installed.
            WorkerError: Ray cannot be reached or started.
        """
        self._ray = library("ray", extra="ray")
        model = for_workers(model)
        threads = model.options.threads or 1
        self._joined = self._join(workers or default_workers(model.options), threads)
        count, processors = _capacity(self._ray, threads)
        super().__init__(workers or count)
        remote = self._ray.remote(num_cpus=processors, max_retries=ATTEMPTS - 1)
        self._task = remote(classify_in_worker)
        self._model = model
        self._pending: set[Any] = set()

    def _join(self, workers: int, threads: int) -> bool:
        """Connect to Ray if this process is not connected; return whether it connected."""
        if self._ray.is_initialized():
            return False
        address = os.environ.get("RAY_ADDRESS") or "local"
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        if address != "local":
            with starting(f"Ray at {address} (RAY_ADDRESS)"):
                _check_reachable(address)
                self._ray.init(address=address, **quiet)
            return True
        with starting("Ray", forced=_AT_HOME), _on_loopback():
            self._ray.init(
                address=address,
                num_cpus=workers * threads,
                include_dashboard=False,
                object_store_memory=_STORE_BYTES,
                **quiet,
            )
            _check_at_home(self._ray)
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
        if self._joined:  # stops a Ray started here, only disconnects from a remote one
            self._ray.shutdown()


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Let Ray take the loopback address for this machine's, although it may have read the environment before."""
    constants = import_module("ray._private.ray_constants")
    with_clusters = getattr(constants, "ENABLE_RAY_CLUSTER", True)
    constants.ENABLE_RAY_CLUSTER = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = with_clusters  # type: ignore[attr-defined]


def _check_at_home(ray: Any) -> None:
    """Stop a Ray that does not listen on loopback: its releases may change what selects the address."""
    addresses = [str(node["NodeManagerAddress"]) for node in ray.nodes()]
    if not all(ip_address(address).is_loopback for address in addresses):
        ray.shutdown()
        raise RuntimeError(
            f"this release of Ray listens on {', '.join(addresses)} instead of loopback; start a Ray yourself and "
            "name it in RAY_ADDRESS, or use another engine"
        )


def _check_reachable(address: str) -> None:
    """Check with a 30 s timeout that the address accepts connections; Ray itself retries for minutes."""
    if found := re.fullmatch(r"(?:ray://)?\[?([^/]+?)\]?:(\d+)", address):
        socket.create_connection((found[1], int(found[2])), timeout=30).close()


def _capacity(ray: Any, threads: int) -> tuple[int, int]:
    """Return the number of concurrent tasks and the CPUs to request per task, at most those of the largest node."""
    nodes = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    processors = min(threads, max(nodes, default=0) or threads)
    return max(1, sum(node // processors for node in nodes)), processors
