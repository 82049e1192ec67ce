"""Spark: each list of texts is a job of one task, which Spark tries again where its Python worker dies."""

import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import uuid4

from spam_edge.batch.cluster import ATTEMPTS, ClusterEngine, for_workers, judge_there, library, starting
from spam_edge.batch.engine import Model, Verdicts
from spam_edge.batch.resources import default_workers
from spam_edge.errors import SpamEdgeError

_ANY_MASTER = "local[*]"
"""What Spark says where nobody named one."""


class SparkEngine(ClusterEngine):
    """Jobs of the Spark that runs in this process, else of one that is made and ends with this engine.

    Its master is that of ``spark-submit``, of ``SPARK_MASTER`` or of ``spark-defaults.conf``, else this machine.
    """

    name = "spark"

    def __init__(self, model: Model, workers: int | None = None) -> None:
        """Find or make the context; by default there are as many workers as it has cores.

        Raises:
            JobError: Spark is not installed.
            WorkerError: it cannot be reached or started.
        """
        pyspark = library("pyspark", extra="spark")
        model = for_workers(model)
        active = pyspark.SparkContext._active_spark_context
        self._made = active is None
        self._context = active or _make_context(pyspark, workers or default_workers(model.options))
        self._group = f"spam-edge-{uuid4()}"
        self._judge_there = partial(judge_there, model)
        super().__init__(workers or max(1, self._context.defaultParallelism))

    def _ask(self, texts: Sequence[str]) -> Verdicts | SpamEdgeError:
        answers: list[Verdicts | SpamEdgeError]
        self._context.setJobGroup(self._group, "spam-edge batch", interruptOnCancel=True)  # holds for this thread
        answers = self._context.parallelize([texts], 1).map(self._judge_there).collect()
        return answers[0]

    def _cancel(self) -> None:
        self._context.cancelJobGroup(self._group)

    def _close(self) -> None:
        if self._made:
            self._context.stop()


def _make_context(pyspark: Any, workers: int) -> Any:
    with starting("Spark (4, with Java 17 or newer)"):
        pyspark.SparkContext._ensure_initialized()  # starts Java, which alone knows spark-defaults.conf
        conf = pyspark.SparkConf()
    master = os.environ.get("SPARK_MASTER") or conf.get("spark.master", _ANY_MASTER)
    settings = {"spark.ui.enabled": "false", "spark.log.level": "OFF"}  # errors come out as ours, once
    if master == _ANY_MASTER:
        master = f"local[{workers},{ATTEMPTS}]"
        settings |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    for name, value in settings.items():
        conf.setIfMissing(name, value)
    conf.setMaster(master).setAppName("spam-edge batch").set("spark.ui.showConsoleProgress", "false")
    with starting(f"Spark at {master}", PYSPARK_PYTHON=conf.get("spark.pyspark.python", sys.executable)):
        return pyspark.SparkContext(conf=conf)
