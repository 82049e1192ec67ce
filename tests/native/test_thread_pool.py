"""The thread pool of the fused operator: bit-identical logits, thread limit, forks, signals, exit.

Tests that fork or count threads run in subprocesses.
"""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from spam_edge import BundleIntegrityError, RuntimeOptions
from spam_edge.bundle.locate import Bundle
from spam_edge.runtime.batching import Batch, pad_rows
from spam_edge.runtime.providers import CPU, create_session
from spam_edge.runtime.session import Session, open_session
from tests.support.timeouts import TIMEOUT

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests" / "data" / "tiny_bundle"
POSITIONS, VOCABULARY = 64, 90
pytestmark = [
    pytest.mark.fused,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads in /proc"),
]

# The default batch is large enough to use the thread pool.
PRELUDE = f"""
import gc, os, signal, sys, threading, time, warnings
import numpy as np
from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.bundle.locate import Bundle
from spam_edge.runtime.session import open_session

# Python 3.12 warns about forks of multi-threaded processes, which these tests need.
warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)

def session(threads):
    return open_session(Bundle.find(sys.argv[1]), RuntimeOptions(device="cpu", variant="fused", threads=threads))

def batch(messages=60, tokens=50, seed=0):
    ids = np.random.default_rng(seed).integers(0, 90, (messages, tokens))
    return ids, np.ones_like(ids)

def tasks():
    return set(os.listdir("/proc/self/task"))

until = time.monotonic() + {TIMEOUT}  # on a loaded machine, threads may wait for a core
"""


def _session(threads: int) -> Session:
    return open_session(Bundle.find(TINY), RuntimeOptions(device="cpu", variant="fused", threads=threads))


def _batch(count: int, longest: int) -> Batch:
    """Return random messages; the first has ``longest`` tokens, the others at most as many."""
    rng = np.random.default_rng(longest)
    lengths = [longest, *rng.integers(1, longest + 1, count - 1).tolist()]
    return pad_rows([rng.integers(0, VOCABULARY, length).tolist() for length in lengths], pad_token_id=0)


def _run(code: str, *before: str) -> str:
    command = [*before, sys.executable, "-c", PRELUDE + code, str(TINY)]
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=2 * TIMEOUT, check=False)
    assert (completed.returncode, completed.stderr) == (0, "")
    return completed.stdout.strip()


@pytest.mark.parametrize("threads", [2, 3, 8, 20])
def test_helper_threads_give_bit_identical_logits(threads: int) -> None:
    """Covers shapes around the partition of rows, heads and panels, and more threads than cores."""
    alone, helped = _session(1), _session(threads)
    shapes = [(count, longest) for longest in (1, 2, 7, 31, 32, POSITIONS) for count in (1, 3, 40, 200, 400)]
    for shape in shapes:
        batch = _batch(*shape)
        expected = alone.run(*batch)
        assert all(np.array_equal(helped.run(*batch), expected) for _ in range(5)), shape


def test_concurrent_runs_sharing_pool_give_bit_identical_logits() -> None:
    alone, helped = _session(1), _session(3)
    batches = [_batch(1 + 37 * (number % 9), 1 + 21 * (number % 4)) for number in range(36)]
    expected = [alone.run(*batch) for batch in batches]
    for workers in (2, 3, 6):
        with ThreadPoolExecutor(workers) as pool:
            for _ in range(4):
                results = pool.map(lambda batch: helped.run(*batch), batches)
                assert all(np.array_equal(*pair) for pair in zip(results, expected, strict=True))


def test_pool_respects_thread_limit_and_ends_with_sessions() -> None:
    code = """
before, found = tasks(), []

def more_than_before(threads):
    while len(tasks() - before) > threads and time.monotonic() < until:
        time.sleep(0.01)  # /proc may list an ended thread for a moment
    found.append(len(tasks() - before))

for threads in (1, 2, 4):
    one, other = session(threads), session(threads)
    for _ in range(20):
        one.run(*batch())
        other.run(*batch())
    more_than_before(threads - 1)
    del one
    gc.collect()
    more_than_before(threads - 1)
    del other
    gc.collect()
    more_than_before(0)
print(found)
"""
    assert _run(code) == "[0, 0, 0, 1, 1, 0, 3, 3, 0]"


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_helper_thread_takes_work_from_calling_thread() -> None:
    code = """
def seconds(one):
    began = time.thread_time()
    one.run(*batch(400, 60))
    return time.thread_time() - began

alone, helped = session(1), session(2)
enough = 0.75 * min(seconds(alone) for _ in range(5))
while seconds(helped) > enough:
    assert time.monotonic() < until
"""
    _run(code)


def test_helper_thread_sleeps_when_idle_or_batch_is_small() -> None:
    code = """
helped, before = session(2), tasks()
helped.run(*batch())
[helper] = tasks() - before

def milliseconds():
    with open(f"/proc/self/task/{helper}/schedstat") as file:
        return int(file.read().split()[0]) / 1e6

def spent(run):
    began, end = milliseconds(), time.perf_counter() + 0.5
    while time.perf_counter() < end:
        run()
    return milliseconds() - began

little = batch(1, 10)
assert spent(lambda: time.sleep(0.1)) < 5
assert spent(lambda: helped.run(*little)) < 5
while spent(lambda: helped.run(*batch())) < 5:
    assert time.monotonic() < until
"""
    _run(code)


def test_helper_thread_blocks_signals() -> None:
    code = """
helped, before = session(2), tasks()
helped.run(*batch())
[helper] = tasks() - before
with open(f"/proc/self/task/{helper}/status") as file:
    [blocked] = [int(line.split()[1], 16) for line in file if line.startswith("SigBlk")]
print([number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM) if not blocked >> number - 1 & 1])
"""
    assert _run(code) == "[]"


def test_forked_process_starts_own_helper_thread() -> None:
    code = """
helped = session(2)
expected = helped.run(*batch())
for generation in range(3):
    if os.fork():
        sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
    signal.alarm(60)  # a run that waits for threads of the parent would hang
    assert len(tasks()) == 1
    for _ in range(20):
        assert np.array_equal(helped.run(*batch()), expected)
    assert len(tasks()) == 2
"""
    _run(code)


def test_fork_during_runs_gives_bit_identical_scores() -> None:
    code = """
classifier = SpamClassifier.load(sys.argv[1], RuntimeOptions(device="cpu", variant="fused", threads=2))
texts = [f"see you at {number} then, and bring {number + 1} of them" for number in range(30)]
expected, done = classifier.score(texts), threading.Event()

def run():
    while not done.is_set():
        assert np.array_equal(classifier.score(texts), expected)

others = [threading.Thread(target=run) for _ in range(2)]
for other in others:
    other.start()
for _ in range(20):
    child = os.fork()
    if not child:
        signal.alarm(60)
        for _ in range(5):
            run_alone = classifier.score(texts)
        os._exit(not np.array_equal(run_alone, expected) or len(tasks()) < 2)
    assert os.waitpid(child, 0)[1] == 0
done.set()
for other in others:
    other.join()
"""
    _run(code)


def test_fork_after_last_session_closed_does_not_crash() -> None:
    """onnxruntime closes the library with the last session, but its fork handler stays registered."""
    code = """
import onnxruntime
from spam_edge.runtime.custom_operator import library
options = onnxruntime.SessionOptions()
options.add_session_config_entry("custom_op.SpamEncoder.threads", "2")
options.register_custom_ops_library(str(library()))
file, providers = sys.argv[1] + "/onnx/model_fused.onnx", ["CPUExecutionProvider"]
helped = onnxruntime.InferenceSession(file, options, providers=providers)
ids, mask = batch()
helped.run(None, {"input_ids": ids, "attention_mask": mask})
del helped, options
gc.collect()
child = os.fork()
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    _run(code)


@pytest.mark.skipif(shutil.which("taskset") is None, reason="needs taskset")
def test_threads_waiting_for_helpers_yield_single_core() -> None:
    """A thread that waits for a helper yields its core."""
    code = """
alone, helped = session(1), session(4)
expected = alone.run(*batch(400, 60))
def seconds(one):
    began = time.perf_counter()
    for _ in range(5):
        assert np.array_equal(one.run(*batch(400, 60)), expected)
    return time.perf_counter() - began
while min(seconds(helped) for _ in range(3)) > 3 * min(seconds(alone) for _ in range(3)):
    assert time.monotonic() < until
"""
    _run(code, "taskset", "-c", str(min(os.sched_getaffinity(0))))


def test_process_exits_cleanly_with_sleeping_helpers() -> None:
    code = """
helped = session(3)  # still open at exit
helped.run(*batch())
"""
    _run(code)


def test_zero_threads_are_refused() -> None:
    with pytest.raises(BundleIntegrityError, match="threads has to be a number of at least 1"):
        create_session(TINY / "onnx" / "model_fused.onnx", optimization="disabled", provider=CPU, fused=True, threads=0)
