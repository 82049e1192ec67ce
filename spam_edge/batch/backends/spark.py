"""The Spark engine: each list of texts is a job of one task, which Spark retries when its Python worker dies."""

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from spam_edge.batch.backends.base import Model, Verdicts
from spam_edge.batch.backends.cluster import ATTEMPTS, ClusterEngine, classify_in_worker, for_workers, library, starting
from spam_edge.batch.backends.worker_count import default_workers
from spam_edge.errors import SpamEdgeError

_ANY_MASTER = "local[*]"
"""Spark's default master."""
_LOOPBACK = "127.0.0.1"
_NAMING = ("MASTER", "PYSPARK_SUBMIT_ARGS", "PYSPARK_GATEWAY_PORT")
"""Variables through which Spark itself may get a master; with ``PYSPARK_GATEWAY_PORT`` its JVM runs already."""


class SparkEngine(ClusterEngine):
    """Runs jobs in the active SparkContext, else in one that ends with this engine.

    The master of a new context comes from ``SPARK_MASTER``, ``spark-submit`` or ``spark-defaults.conf``, else it is
    local.
    """

    name = "spark"

    def __init__(self, model: Model, workers: int | None = None) -> None:
        """Find or create the context. The default number of workers is its number of cores.

        Raises:
            JobError: Spark is not installed.
            WorkerError: Spark cannot be reached or started.
        """
        pyspark = library("pyspark", extra="spark")
        model = for_workers(model)
        active = pyspark.SparkContext._active_spark_context
        self._made = active is None
        self._context = active or _make_context(pyspark, workers or default_workers(model.options))
        self._group = f"spam-edge-{uuid4()}"
        self._classify_in_worker = partial(classify_in_worker, model)
        super().__init__(workers or max(1, self._context.defaultParallelism))

    def _ask(self, texts: Sequence[str]) -> Verdicts | SpamEdgeError:
        answers: list[Verdicts | SpamEdgeError]
        self._context.setJobGroup(self._group, "spam-edge batch", interruptOnCancel=True)  # the group is thread-local
        answers = self._context.parallelize([texts], 1).map(self._classify_in_worker).collect()
        return answers[0]

    def _cancel(self) -> None:
        self._context.cancelJobGroup(self._group)

    def _close(self) -> None:
        if self._made:
            self._context.stop()


def _make_context(pyspark: Any, workers: int) -> Any:
    # The JVM looks up the name of this machine's first address as it starts, unless it is told the address.
    at_home = {} if _may_name_a_cluster(pyspark) else {"SPARK_LOCAL_IP": _LOOPBACK}
    with starting("Spark (4, with Java 17 or newer)", defaults=at_home):
        pyspark.SparkContext._ensure_initialized()  # starts the JVM, which reads spark-defaults.conf
        conf = pyspark.SparkConf()
    master = os.environ.get("SPARK_MASTER") or conf.get("spark.master", _ANY_MASTER)
    settings = {"spark.ui.enabled": "false", "spark.log.level": "OFF"}  # errors are reported once, by this package
    if _is_local(master):
        settings |= {"spark.driver.host": _LOOPBACK, "spark.driver.bindAddress": _LOOPBACK}
    if master == _ANY_MASTER:
        master = f"local[{workers},{ATTEMPTS}]"
    for name, value in settings.items():
        conf.setIfMissing(name, value)
    conf.setMaster(master).setAppName("spam-edge batch").set("spark.ui.showConsoleProgress", "false")
    python = {"PYSPARK_PYTHON": conf.get("spark.pyspark.python", sys.executable)}
    with starting(f"Spark at {master}", defaults=python):
        return pyspark.SparkContext(conf=conf)


def _is_local(master: str) -> bool:
    """Return whether the master runs in the JVM of this process; ``local-cluster`` starts further ones."""
    return master == "local" or master.startswith("local[")


def _may_name_a_cluster(pyspark: Any) -> bool:
    """Return whether the environment or ``spark-defaults.conf`` may name a cluster, before the JVM says which."""
    if master := os.environ.get("SPARK_MASTER"):
        return not _is_local(master)
    return any(os.environ.get(name) for name in _NAMING) or "spark.master" in _defaults(pyspark)


def _defaults(pyspark: Any) -> str:
    home = os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent
    folder = Path(os.environ.get("SPARK_CONF_DIR") or Path(home, "conf"))
    try:
        return (folder / "spark-defaults.conf").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
