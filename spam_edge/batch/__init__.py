"""Batch jobs: tables of messages to tables with verdicts, on many cores, resumable after any death.

>>> from spam_edge.batch import BatchJob
>>> report = BatchJob(inputs=["messages/*.parquet"], output="verdicts", resume=True).run()
"""

from spam_edge.batch.engine import Engine, Model, OpenEngine, Verdicts
from spam_edge.batch.job import BatchJob, Progress
from spam_edge.batch.registry import engine_named
from spam_edge.batch.report import BatchReport

__all__ = ["BatchJob", "BatchReport", "Engine", "Model", "OpenEngine", "Progress", "Verdicts", "engine_named"]
