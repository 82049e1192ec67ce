"""A run that is alone uses the cores that are idle, says the same, and leaves them in peace afterwards.

Helpers are threads of the operator itself; real processes, threads and forks use them here.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from export.recipe import Recipe
from spam_edge.batching import pad_rows
from spam_edge.engine import CPU, create_session
from tests.parity.test_fused import Files

ROOT = Path(__file__).parents[2]
SIZES = {"dim": 192, "n_heads": 3, "hidden_dim": 400, "n_layers": 2, "max_position_embeddings": 512}
WORDS = 400  # token ids that the model has for certain
pytestmark = [
    pytest.mark.fused,
    # raised inside torch's exporter and its tracing of transformers; nothing here can change it
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*legacy.*:UserWarning"),
]

# what the programs below have in common: the tasks of this process, and a message long enough to be helped with
PROGRAM = """
import gc, os, sys, time
import numpy as np
from pathlib import Path
from spam_edge.engine import CPU, create_session
def tasks(): return len(os.listdir("/proc/self/task"))
def opened(threads): return create_session(Path(sys.argv[1]), optimization="disabled", provider=CPU, fused=True,
                                           threads=threads)
def run(session): return session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]
ids = np.arange(5, 305).reshape(1, -1)
"""


@pytest.fixture(scope="module")
def fused(make_checkpoint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of several panels and heads, so that there is something to share."""
    return Files.export(make_checkpoint(**SIZES), tmp_path_factory.mktemp("team"), Recipe()).fused


def _session(path: Path, threads: int) -> Any:
    return create_session(path, optimization="disabled", provider=CPU, fused=True, threads=threads)


def _run(session: Any, rows: list[list[int]]) -> NDArray[np.float32]:
    ids, mask = pad_rows(rows, pad_token_id=0)
    logits: NDArray[np.float32] = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
    return logits


def _message(tokens: int) -> list[int]:
    return np.random.default_rng(tokens).integers(1, WORDS, tokens).tolist()


def _print(program: str, path: Path, *, command: tuple[str, ...] = ()) -> list[str]:
    arguments = [*command, sys.executable, "-c", PROGRAM + program, str(path)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.split()


@pytest.mark.parametrize("threads", [2, 3, 7, 20])
def test_helpers_change_no_score(fused: Path, threads: int) -> None:
    alone, helped = _session(fused, 1), _session(fused, threads)
    for tokens in (1, 2, 7, 8, 9, 13, 24, 25, 63, 64, 65, 97, 256, 511, 512):
        assert np.array_equal(_run(helped, [_message(tokens)]), _run(alone, [_message(tokens)])), tokens
    batch = [_message(tokens) for tokens in (3, 60, 12, 1, 30, 200)]
    assert np.array_equal(_run(helped, batch), _run(alone, batch))


def test_runs_that_take_helpers_from_each_other_change_no_score(fused: Path) -> None:
    messages = [_message(tokens) for tokens in (5, 20, 40, 90, 150, 300)] * 20
    alone, helped = _session(fused, 1), [_session(fused, 2), _session(fused, 4)]
    expected = [_run(alone, [ids]) for ids in messages]
    with ThreadPoolExecutor(6) as pool:
        found = pool.map(lambda each: _run(helped[each[0] % 2], [each[1]]), enumerate(messages))
        assert all(map(np.array_equal, found, expected))


def test_one_thread_means_no_helper(fused: Path) -> None:
    program = """
session = opened(1)
before = tasks()
for _ in range(20): run(session)
print(tasks() - before)
session = opened(3)
for _ in range(20): run(session)
print(tasks() - before)
"""
    assert _print(program, fused) == ["0", "2"]


def test_helpers_sleep_between_runs(fused: Path) -> None:
    program = """
session = opened(4)
for _ in range(20): run(session)
began = os.times()
time.sleep(1)
ended = os.times()
print(tasks(), ended.user + ended.system - began.user - began.system)
"""
    count, seconds = _print(program, fused)
    assert int(count) >= 4  # otherwise nobody was there to spin
    assert float(seconds) < 0.1


def test_helpers_end_with_the_last_session(fused: Path) -> None:
    program = """
before = tasks()
first, second = opened(3), opened(3)
run(first), run(second)
there = tasks()
del first
gc.collect()
half = tasks()
del second
gc.collect()
print(there - before, half - before, tasks() - before)
again = opened(3)
print(run(again).shape)
"""
    assert _print(program, fused) == ["2", "2", "0", "(1,", "2)"]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_process_has_helpers_of_its_own(fused: Path) -> None:
    program = """
import warnings
warnings.simplefilter("ignore")
session = opened(3)
expected = run(session)
for _ in range(20):
    if child := os.fork():
        same = os.waitpid(child, 0)[1] == 0 and np.array_equal(run(session), expected)
        if not same: sys.exit("differs")
    else:
        os._exit(not (np.array_equal(run(opened(3)), expected) and tasks() == 3))
print("same")
"""
    assert _print(program, fused) == ["same"]


def test_one_cpu_for_many_threads_is_slow_but_not_for_ever(fused: Path) -> None:
    cpu = str(min(os.sched_getaffinity(0)))
    program = """
session, alone = opened(4), opened(1)
print(all(np.array_equal(run(session), run(alone)) for _ in range(50)))
"""
    assert _print(program, fused, command=("taskset", "-c", cpu)) == ["True"]
