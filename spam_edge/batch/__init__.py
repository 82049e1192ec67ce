"""Batch jobs: tables of messages to tables with verdicts, on many cores, resumable after any death.

>>> from spam_edge.batch import BatchJob
>>> BatchJob(inputs=["messages/*.parquet"], output="verdicts").run().labels
{'HAM': 4825, 'SPAM': 747}
"""

from spam_edge.batch.engine import Engine, Model, Verdicts
from spam_edge.batch.job import BatchJob, Progress
from spam_edge.batch.report import BatchReport

__all__ = ["BatchJob", "BatchReport", "Engine", "Model", "Progress", "Verdicts"]
