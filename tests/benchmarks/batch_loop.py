"""The baseline of a batch job: a loop over a Parquet column in one process.

python -m tests.benchmarks.batch_loop BUNDLE FILE THREADS

It is the shortest Python program for the task: no verdicts are written, only counts are printed as JSON.
"""

import json
import sys
from pathlib import Path

ROWS = 1024


def count(bundle: str, source: Path, threads: int) -> dict[str, object]:
    """Return the numbers of rows and labels, as in the report of a batch job."""
    import pyarrow.parquet as pq

    from spam_edge import RuntimeOptions, SpamClassifier

    classifier = SpamClassifier.load(bundle, RuntimeOptions(device="cpu", threads=threads))
    labels = dict.fromkeys(classifier.manifest.labels, 0)
    for batch in pq.ParquetFile(source).iter_batches(ROWS, columns=["text"]):
        for prediction in classifier.classify_batch(batch.column(0).to_pylist()):
            labels[prediction.label] += 1
    return {"rows": sum(labels.values()), "labels": labels}


if __name__ == "__main__":
    print(json.dumps(count(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
