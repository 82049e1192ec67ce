"""The part ``host``: how fast the processor prepares messages, which bounds every engine on a GPU."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.runtime.batching import CUDA_TOKEN_BUDGET, plan_batches
from spam_edge.text.rows import TokenRows
from tests.gpu.parts import Save
from tests.gpu.settings import BASE, Settings

_THREADS = (1, 2, 4)
_CHUNK = 1024
_FEW = 100
_SECONDS = 0.5


def measure(settings: Settings, save: Save) -> None:
    """Measure each step before the model, and the whole with several calling threads, in messages per second."""
    texts = settings.texts_of(BASE)
    options = RuntimeOptions(device=settings.device, variant="fp16")
    classifier = SpamClassifier.load(settings.bundle_of(BASE), options)
    encoder = classifier._encoder
    normalizer, tokenizer = encoder._normalizer, encoder._encoder
    if normalizer is not None:
        save(normalize=rate(lambda: [normalizer.variants(text) for text in texts], len(texts)))
    save(tokenize=rate(lambda: tokenizer.encode(texts), len(texts)))
    save(normalize_and_tokenize=rate(lambda: encoder.encode(texts), len(texts)))
    rows = encoder.encode(texts).rows
    save(batch=rate(lambda: _batch(rows), len(texts)))
    save(classify={f"{threads}": _classify(classifier, texts, threads) for threads in _THREADS})


def rate(run: Callable[[], object], count: int) -> float:
    """Return items per second: the median of at least three runs, and of as many as fit into half a second.

    Few items, as in the small form, run once: their speed says nothing.
    """
    least, seconds = (3, _SECONDS) if count > _FEW else (1, 0.0)
    if count > _FEW:
        run()
    times: list[float] = []
    while len(times) < least or sum(times) < seconds:
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return count / sorted(times)[len(times) // 2]


def _batch(rows: TokenRows) -> None:
    """Do what the classifier does between tokenizer and model."""
    distinct, _ = rows.distinct()
    for plan in plan_batches(distinct.lengths, token_budget=CUDA_TOKEN_BUDGET):
        distinct.pad(plan, pad_token_id=0)


def _classify(classifier: SpamClassifier, texts: list[str], threads: int) -> float:
    """Return messages per second of several threads with one classifier, which take chunks of the texts."""
    chunks = [texts[start : start + _CHUNK] for start in range(0, len(texts), _CHUNK)]
    with ThreadPoolExecutor(threads) as pool:
        return rate(lambda: list(pool.map(classifier.classify_batch, chunks)), len(texts))
