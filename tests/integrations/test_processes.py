"""The classifier in thread pools, process pools and forking web servers: one session per process."""

import json
import multiprocessing
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from spam_edge import Prediction, RuntimeOptions, SpamClassifier
from tests.integrations.conftest import ROOT
from tests.support import workers
from tests.support.timeouts import TIMEOUT

TEXTS = [f"{number} {text}" for number in range(300) for text in ("WINNER!! Call now to claim", "see you at 5 then")]
CHUNKS = [TEXTS[start : start + 25] for start in range(0, len(TEXTS), 25)]


@pytest.fixture
def classifier(tiny_bundle: Path) -> SpamClassifier:
    return SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cpu", threads=2))


def _stream(classifier: SpamClassifier, texts: list[str]) -> list[Prediction]:
    return list(classifier.classify_stream(iter(texts), window=7))


def test_thread_pool_streams_share_one_session(classifier: SpamClassifier, loads: Callable[[], dict[int, int]]) -> None:
    expected = classifier.classify_batch(TEXTS)
    loads()
    with ThreadPoolExecutor(6) as pool:
        streams = list(pool.map(_stream, [classifier] * 6, [TEXTS] * 6))
    assert all(stream == expected for stream in streams)
    assert loads() == {}  # all threads shared the open session


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")
def test_process_pool_loads_one_model_per_process(
    classifier: SpamClassifier, method: str, loads: Callable[[], dict[int, int]]
) -> None:
    expected = classifier.classify_batch(TEXTS)
    loads()
    with ProcessPoolExecutor(
        2, mp_context=multiprocessing.get_context(method), initializer=workers.import_in_worker
    ) as pool:
        batches = list(pool.map(classifier.classify_batch, CHUNKS))
        streams = list(pool.map(_stream, [classifier] * len(CHUNKS), CHUNKS))
    assert [prediction for batch in batches for prediction in batch] == expected
    assert batches == streams
    opened = loads()
    assert set(opened.values()) == {1}  # although the classifier was pickled 48 times
    assert len(opened) <= 2


@contextmanager
def _server(bundle: Path, kind: str) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.support.web", str(bundle), kind]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}/"
        finally:
            server.communicate(timeout=TIMEOUT)  # closing stdin stops the server
    assert server.returncode == 0


@pytest.mark.parametrize("kind", ["prefork", "per-request"])
def test_forking_web_server_loads_one_model_per_process(
    classifier: SpamClassifier, tiny_bundle: Path, kind: str, loads: Callable[[], dict[int, int]]
) -> None:
    texts = TEXTS[:120]
    expected = [(prediction.label, prediction.score) for prediction in classifier.classify_batch(texts)]
    loads()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with _server(tiny_bundle, kind) as address, ThreadPoolExecutor(12) as clients:

        def ask(text: str) -> dict[str, object]:
            with opener.open(address, data=text.encode(), timeout=TIMEOUT) as answer:
                verdict: dict[str, object] = json.load(answer)
                return verdict

        answers = list(clients.map(ask, texts))
    assert [(answer["label"], answer["score"]) for answer in answers] == expected
    served = Counter(answer["process"] for answer in answers)
    assert len(served) > 1
    opened = loads()
    assert {process: opened[process] for process in served} == dict.fromkeys(served, 1)  # type: ignore[index]
