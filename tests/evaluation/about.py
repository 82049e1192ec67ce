"""Describe the conditions of an evaluation, and the size and speed of a bundle."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from spam_edge.classifier import SpamClassifier
from spam_edge.resources import available_threads
from spam_edge.text.normalization import VERSION
from spam_edge.training.checkpoint import git_commit, versions
from spam_edge.training.data.corpus import Prepared
from spam_edge.training.data.messages import SPAM
from spam_edge.training.data.splits import Example, describe
from tests.benchmarks.machine import describe_machine
from tests.evaluation.report.document import SCHEMA_VERSION


def about(prepared: Prepared, notices: Sequence[Example], settings: Mapping[str, Any], recipe: str) -> dict[str, Any]:
    """Return the metadata of an evaluation: time, machine, versions, settings and corpus sizes.

    Args:
        prepared: the corpus.
        notices: notices trained on in addition to the corpus; empty without them.
        settings: training and evaluation settings.
        recipe: fingerprint of all messages.
    """
    examples = [example for split in prepared.splits.values() for example in split]
    sizes, spam = describe(examples), len({example.cluster for example in examples if example.label == SPAM})
    corpus = {
        "name": prepared.corpus.name,
        "fingerprint": recipe,
        "rows": sizes["rows"],
        "clusters": sizes["clusters"],
        "ham_clusters": sizes["clusters"] - spam,
        "spam_clusters": spam,
    }
    if notices:
        corpus |= {"notices": len(notices), "groups_of_notices": len({example.cluster for example in notices})}
    return {
        "schema_version": SCHEMA_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": git_commit(),
        "machine": describe_machine(available_threads()),
        "versions": versions(),
        "settings": dict(settings),
        "normalizer_version": str(VERSION),
        "corpus": corpus,
    }


def size_and_speed(classifier: SpamClassifier, texts: Sequence[str]) -> dict[str, Any]:
    """Return the size of each model file and the throughput of the variant in use, the median of three runs."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        classifier.score(texts)
        seconds.append(time.perf_counter() - start)
    return {
        "variant": classifier.variant,
        "messages_per_second": round(len(texts) / sorted(seconds)[1]),
        "bytes": {name: variant.bytes for name, variant in classifier.manifest.variants.items()},
    }
