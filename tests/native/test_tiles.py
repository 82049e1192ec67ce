"""AMX tiles: kernel permission, and threads and forks with emulated tiles.

Other tests of the operator also run the emulated library; see tests/support/vectors.py. Emulated instructions end the
process where real ones would, and also if the previous call has not released its tiles.
"""

import ctypes
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from spam_edge.runtime.custom_operator import FOLDER, library
from spam_edge.runtime.providers import CPU, create_session
from tests.benchmarks.fresh import in_fresh_process
from tests.support.fused_models import VOCABULARY, Sizes, random_model
from tests.support.vectors import EMULATED, fused_vectors, use_vectors

pytestmark = pytest.mark.fused

AMX = FOLDER / "libspam_encoder_amx.so"
SIZES = Sizes(heads=4, size=32, hidden=256, layers=2, completed=2)
_Run = Callable[[], NDArray[np.float32]]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    if EMULATED not in fused_vectors():
        pytest.skip("needs AVX2 and the compiler of ziglang")
    path = tmp_path / "model_fused.onnx"
    onnx.save(random_model(SIZES), path)
    return path


@contextmanager
def _opened(model: Path, threads: int) -> Iterator[_Run]:
    """Return a function that runs a batch, large enough for the thread pool, with emulated tiles."""
    with use_vectors(EMULATED):
        session = create_session(model, optimization="disabled", provider=CPU, fused=True, threads=threads)
        ids = np.random.default_rng(0).integers(0, VOCABULARY, (20, 41))
        yield lambda: session.run(["logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]


def test_every_thread_configures_and_releases_tiles(model: Path) -> None:
    with _opened(model, 1) as run:
        expected = run()
    for threads in (2, 3, 8):
        with _opened(model, threads) as run, ThreadPoolExecutor(3) as pool:
            assert all(np.array_equal(pool.submit(run).result(), expected) for _ in range(8))
            results = pool.map(lambda _, run=run: run(), range(8))
            assert all(np.array_equal(logits, expected) for logits in results)


def test_calling_thread_releases_tiles_after_run(model: Path) -> None:
    with _opened(model, 2) as run:
        run()
        assert ctypes.CDLL(str(library())).emulated_tiles_in_use() == 0


def _run_in_forks(model: Path) -> list[int]:
    """Return the exit status of forks during and after runs."""
    with _opened(model, 2) as run, ThreadPoolExecutor(1) as pool:
        expected, status = run(), []
        for _ in range(10):
            pending = pool.submit(run)
            child = os.fork()
            if not child:  # with a session of its own: onnxruntime may hold a lock of the other
                with _opened(model, 2) as run_in_child:
                    os._exit(not np.array_equal(run_in_child(), expected))
            status.append(os.waitpid(child, 0)[1])
            assert np.array_equal(pending.result(), expected)
        return status


def test_forked_process_configures_own_tiles(model: Path) -> None:
    assert in_fresh_process(_run_in_forks, model) == [0] * 10


def _deny_tile_permission() -> None:
    """Make the kernel deny AMX tile data to this process with a seccomp filter."""

    class Instruction(ctypes.Structure):
        _fields_ = (("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("k", ctypes.c_uint32))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(Instruction)))

    load, equal, leave = 0x20, 0x15, 0x06
    arch_prctl, request, refuse, allow = 158, 0x1023, 0x00050001, 0x7FFF0000
    filters = (Instruction * 6)(
        (load, 0, 0, 0), (equal, 0, 3, arch_prctl), (load, 0, 0, 16), (equal, 0, 1, request),
        (leave, 0, 0, refuse), (leave, 0, 0, allow),
    )  # fmt: skip
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, seccomp, filter_mode = 38, 22, 2
    program = Program(len(filters), filters)
    for arguments in ((no_new_privileges, 1, 0, 0, 0), (seccomp, filter_mode, ctypes.byref(program))):
        if libc.prctl(*arguments):
            raise OSError(ctypes.get_errno(), "the kernel takes no filter")


def _register_without_permission() -> tuple[int, str]:
    """Return the permission that the AMX library reports, and the error of onnxruntime on registration."""
    _deny_tile_permission()
    try:
        onnxruntime.SessionOptions().register_custom_ops_library(str(AMX))
    except Exception as error:  # onnxruntime has no common base class for its errors
        return ctypes.CDLL(str(AMX)).SpamEncoderPermitted(), str(error)
    return 1, ""


@pytest.mark.skipif(not AMX.is_file(), reason="the library for AMX is not compiled here")
def test_amx_library_is_refused_without_kernel_permission() -> None:
    """Registration fails before any AMX instruction, which would end the process."""
    permitted, error = in_fresh_process(_register_without_permission)
    assert permitted == 0
    assert "SpamEncoder: the kernel gives this process no permission for AMX" in error
