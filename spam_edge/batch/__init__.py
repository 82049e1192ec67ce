"""Batch jobs: classify tables of messages with many workers, and resume after a crash.

>>> from spam_edge.batch import BatchJob
>>> report = BatchJob(inputs=["messages/*.parquet"], output="verdicts", resume=True).run()
"""

from spam_edge.batch.backends.base import Engine, Model, OpenEngine, Verdicts
from spam_edge.batch.backends.registry import engine_named
from spam_edge.batch.job import BatchJob, Progress
from spam_edge.batch.report import BatchReport

__all__ = ["BatchJob", "BatchReport", "Engine", "Model", "OpenEngine", "Progress", "Verdicts", "engine_named"]
