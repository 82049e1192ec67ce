"""Default number of workers for the available cores and memory."""

import math

from spam_edge.options import RuntimeOptions
from spam_edge.resources import available_memory, available_threads
from spam_edge.runtime.providers import offers_cuda

WORKER_BYTES = 250 * 2**20
"""Approximate peak memory of a worker: interpreter, session and activations."""


def default_workers(options: RuntimeOptions) -> int:
    """Return the default number of workers: 1 on a GPU, else one per core as memory allows, at least 1."""
    if options.device == "cuda" or (options.device == "auto" and offers_cuda()):
        return 1
    cores = available_threads() // (options.threads or 1)
    memory = available_memory()
    return max(1, cores if memory == math.inf else min(cores, int(memory) // WORKER_BYTES))
