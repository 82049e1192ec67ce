"""SpamClassifier: consistent results across methods, threads and processes, in input order."""

import gc
import math
import multiprocessing
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge import BundleIntegrityError, InputError, Prediction, RuntimeOptions, SpamClassifier
from spam_edge.decision.calibration import Calibration
from spam_edge.errors import OptionError
from tests.support import workers

TINY = Path(__file__).parents[1] / "data" / "tiny_bundle"
SPAM = "WINNER!! Call 09061701461 to claim your prize"
HAM = "see you at 5 then"
MANY = [f"{text} {number}" for number in range(50) for text in (SPAM, HAM)]  # several concurrent batches


@pytest.fixture(scope="module")
def classifier() -> SpamClassifier:
    """A classifier in fp32, whose scores are independent of the batch."""
    return SpamClassifier.load(TINY, RuntimeOptions(device="cpu", variant="fp32", threads=1))


def test_labels_scores_and_truncation_of_sample_messages(classifier: SpamClassifier) -> None:
    spam, ham = classifier.classify_batch([SPAM, HAM])
    assert (spam.label, ham.label) == ("SPAM", "HAM")
    assert spam.score > 0.9
    assert ham.score < 0.1
    assert not spam.truncated
    assert classifier.classify(SPAM) == spam
    assert classifier.classify(HAM + " see you at the pub" * 20).truncated


@given(texts=st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=60), max_size=20))
def test_all_methods_agree_in_input_order(classifier: SpamClassifier, texts: list[str]) -> None:
    batch = classifier.classify_batch(texts)
    assert len(batch) == len(texts)
    scores = np.array([prediction.score for prediction in batch])
    assert np.allclose(classifier.score(texts), scores, atol=1e-6)
    assert np.allclose([classifier.classify(text).score for text in texts], scores, atol=1e-6)
    streamed = list(classifier.classify_stream(iter(texts), window=3))
    assert np.allclose([prediction.score for prediction in streamed], scores, atol=1e-6)
    assert all((p.label == "SPAM") == (p.score >= classifier.threshold) for p in batch)


def test_empty_input_gives_empty_results(classifier: SpamClassifier) -> None:
    assert classifier.classify_batch([]) == []
    assert classifier.score([]).shape == (0,)
    assert classifier.logits([]).shape == (0, 2)
    assert list(classifier.classify_stream([])) == []


def test_stream_never_reads_beyond_current_window(classifier: SpamClassifier) -> None:
    read = []

    def texts() -> Iterator[str]:
        for index in range(25):
            read.append(index)
            yield HAM

    verdicts = classifier.classify_stream(texts(), window=10)
    assert read == []
    assert [len(read) for _ in verdicts] == [10] * 10 + [20] * 10 + [25] * 5


def test_stream_errors_are_raised_after_preceding_windows(classifier: SpamClassifier) -> None:
    def texts() -> Iterator[object]:
        yield from [HAM] * 4
        yield b"no text"
        raise RuntimeError("the source broke")

    seen: list[Prediction] = []
    with pytest.raises(InputError, match="message 0 is bytes"):
        seen.extend(classifier.classify_stream(texts(), window=1))  # type: ignore[arg-type]
    assert len(seen) == 4
    seen = []
    with pytest.raises(RuntimeError, match="the source broke"):
        seen.extend(classifier.classify_stream(texts(), window=4))  # type: ignore[arg-type]
    assert len(seen) == 4  # earlier windows are complete


def test_abandoned_stream_closes_source_and_leaves_no_threads(classifier: SpamClassifier) -> None:
    closed = []

    def texts() -> Iterator[str]:
        try:
            while True:
                yield HAM
        finally:
            closed.append(True)

    running = set(threading.enumerate())
    verdicts = classifier.classify_stream(texts(), window=4)
    assert next(verdicts).label == "HAM"
    del verdicts
    gc.collect()
    assert closed == [True]
    assert set(threading.enumerate()) <= running  # threads of other tests may have ended


def test_stream_arguments_are_checked_before_iteration(classifier: SpamClassifier) -> None:
    with pytest.raises(OptionError, match="window must be an integer of at least 1"):
        classifier.classify_stream([], window=0)
    for window in (1.5, 2**63, "4"):
        with pytest.raises(OptionError, match="window must be an integer"):
            classifier.classify_stream([], window=window)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not a single string"):
        classifier.classify_stream("one string")
    with pytest.raises(InputError, match="choose its column of texts"):
        classifier.classify_stream({"text": HAM})
    with pytest.raises(InputError, match="an iterable of messages, not int"):
        classifier.classify_stream(1)  # type: ignore[arg-type]


def test_series_with_another_index_gives_verdicts_in_order(classifier: SpamClassifier) -> None:
    texts = [f"{SPAM} caf\u00e9", f"{HAM} \U0001f600", "ok caf\u00e9"]
    series = pandas.Series(texts, index=[2, 1, 0])
    assert classifier.classify_batch(series) == classifier.classify_batch(texts)  # type: ignore[arg-type]
    assert classifier.score(series).tolist() == classifier.score(texts).tolist()  # type: ignore[arg-type]
    shifted = pandas.Series(texts, index=[10, 11, 12])
    assert classifier.classify_batch(shifted) == classifier.classify_batch(texts)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not DataFrame; choose its column of texts"):
        classifier.classify_batch(pandas.DataFrame({"text": texts}))  # type: ignore[arg-type]


def test_classify_refuses_list_of_messages(classifier: SpamClassifier) -> None:
    with pytest.raises(InputError, match="not list"):
        classifier.classify([SPAM])  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [SPAM, HAM])
def test_threshold_is_lowest_score_labelled_spam(classifier: SpamClassifier, text: str) -> None:
    score = classifier.classify(text).score
    assert 0 < score < 1
    for threshold, label in ((score, "SPAM"), (math.nextafter(score, 1), "HAM")):
        with_threshold = SpamClassifier.load(TINY, replace(classifier.options, threshold=threshold))
        assert with_threshold.classify(text) == Prediction(label, score, False, False)


def test_predictions_are_immutable(classifier: SpamClassifier) -> None:
    with pytest.raises(AttributeError):
        classifier.classify(SPAM).label = "HAM"  # type: ignore[misc]


def test_description_names_variant_file_threads_and_digest(classifier: SpamClassifier) -> None:
    description = classifier.describe()
    assert description["variant"] == "fp32"
    assert description["file"] == "onnx/model.onnx"
    assert description["threads"] == 1
    assert description["digest"] == classifier.bundle.digest
    assert set(description["variants"]) == {"fused", "int8", "fp16", "fp32"}


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=2, max_size=2), st.floats(0.1, 10))
def test_calibrated_scores_match_softmax(logits: list[float], temperature: float) -> None:
    row = np.array([logits], dtype=np.float32)
    scaled = row.astype(np.float64) / temperature
    expected = np.exp(scaled - scaled.max()) / np.exp(scaled - scaled.max()).sum()
    for index in (0, 1):
        actual = Calibration(temperature, index).scores(row)
        assert actual.dtype == np.float32
        assert np.allclose(actual, expected[:, index], atol=1e-6)


def test_unpickled_classifier_opens_same_model(classifier: SpamClassifier) -> None:
    pickled = pickle.dumps(classifier)
    copy = pickle.loads(pickled)
    assert copy is pickle.loads(pickled)  # one instance per process
    assert copy.options == classifier.options
    assert copy.classify(SPAM) == classifier.classify(SPAM)


def test_unpickling_refuses_changed_model(bundle_copy: Path) -> None:
    options = RuntimeOptions(threshold=0.375)  # a unique value, so that no cached classifier of this process matches
    pickled = pickle.dumps(SpamClassifier.load(bundle_copy, options))
    manifest = bundle_copy / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"version": "1"', '"version": "2"'))
    with pytest.raises(BundleIntegrityError, match="no longer holds the model that this job started with"):
        pickle.loads(pickled)


def test_concurrent_threads_share_one_classifier(classifier: SpamClassifier) -> None:
    expected = classifier.classify_batch(MANY)
    with ThreadPoolExecutor(4) as pool:
        assert all(result == expected for result in pool.map(classifier.classify_batch, [MANY] * 8))


def _classify_in_child(classifier: SpamClassifier, connection: object) -> None:
    workers.import_in_worker()
    connection.send(classifier.classify_batch(MANY))  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")
def test_child_process_opens_own_session(method: str, int8_variant: str, loads: Callable[[], dict[int, int]]) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"the start method {method} is not available")
    classifier = SpamClassifier.load(TINY, RuntimeOptions(device="cpu", variant=int8_variant, threads=2))
    expected: list[Prediction] = classifier.classify_batch(MANY)
    loads()
    context = multiprocessing.get_context(method)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_classify_in_child, args=(classifier, sender), daemon=True)
    process.start()
    assert receiver.poll(60), f"the {method}ed process did not answer"
    assert receiver.recv() == expected
    process.join(30)
    assert process.exitcode == 0
    assert classifier.classify_batch(MANY) == expected
    assert loads() == {process.pid: 1}
