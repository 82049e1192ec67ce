"""Verification in a subprocess: no bundle can hang, crash or exhaust the calling process."""

import errno
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from spam_edge import BundleIntegrityError, BundleNotFoundError, RuntimeOptions, SpamEdgeError
from spam_edge.diagnostics import verify_subprocess
from spam_edge.diagnostics.verify import verify_bundle
from spam_edge.diagnostics.verify_subprocess import Limits, verify_in_subprocess
from spam_edge.errors import OptionError
from tests.support import hostile
from tests.support.timeouts import TIMEOUT, wait_until

CPU = RuntimeOptions(device="cpu", variant="fp32", threads=1)
ROOT = Path(__file__).parents[2]


def verification_error(bundle: Path, **limits: Any) -> str:
    """Return the message of a failed verification, which must be a one-line error of the package."""
    with pytest.raises(SpamEdgeError) as caught:
        verify_in_subprocess(bundle, CPU, limits=Limits(**limits))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_subprocess_report_equals_in_process_report(tiny_bundle: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert verify_in_subprocess(tiny_bundle, CPU) == verify_bundle(tiny_bundle, CPU)
    assert capfd.readouterr() == ("", "")


def test_subprocess_errors_keep_class_and_message(bundle_copy: Path, tmp_path: Path) -> None:
    (bundle_copy / "vocab.txt").write_bytes(b"")
    for bundle, kind in ((bundle_copy, BundleIntegrityError), (tmp_path / "nowhere\x1b", BundleNotFoundError)):
        with pytest.raises(kind) as in_process:
            verify_bundle(bundle, CPU)
        with pytest.raises(kind) as in_subprocess:
            verify_in_subprocess(bundle, CPU)
        assert type(in_subprocess.value) is type(in_process.value)
        assert str(in_subprocess.value) == str(in_process.value)


def test_on_found_callback_runs_only_for_existing_bundle(bundle_copy: Path, tmp_path: Path) -> None:
    found: list[str] = []
    (bundle_copy / "vocab.txt").write_bytes(b"")
    for bundle in (bundle_copy, tmp_path):
        with pytest.raises(SpamEdgeError):
            verify_in_subprocess(bundle, CPU, on_found=lambda bundle=bundle: found.append(bundle))  # type: ignore[misc]
    assert found == [bundle_copy]


@pytest.mark.parametrize("harm", [hostile.with_endless_graph, hostile.with_sparse_file])
def test_endless_verification_is_stopped_at_time_limit(bundle_copy: Path, harm: Callable[[Path], None]) -> None:
    harm(bundle_copy)
    start = time.monotonic()
    assert verification_error(bundle_copy, seconds=4).endswith(
        "bundle was not verified within 4 seconds; do not use it, or raise --max-seconds on a slow machine"
    )
    assert time.monotonic() - start < TIMEOUT


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not enforce the limit")
@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (hostile.with_growing_tokenizer, "was not verified: the process died of SIGABRT (memory allocation of "),
        (hostile.with_huge_manifest, "was not verified (MemoryError"),
        (hostile.with_huge_tables, "was not verified (MemoryError"),
    ],
)
def test_growing_verification_is_stopped_at_memory_limit(
    bundle_copy: Path, harm: Callable[[Path], None], reason: str
) -> None:
    harm(bundle_copy)
    message = verification_error(bundle_copy, memory=1024)
    assert f"bundle {reason}" in message
    assert message.endswith("do not use it, or raise --max-memory (now 1024 MiB) for a large model")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such files")
def test_in_memory_file_size_is_limited(bundle_copy: Path) -> None:
    code = (
        "import os, sys; from spam_edge.diagnostics import child; child._limit(2**26, address_space=False)\n"
        "file = os.memfd_create('copy')\n"
        "try:\n    while os.write(file, bytes(2**22)):\n        pass\n"
        "except OSError as error:\n    print(error.errno, os.fstat(file).st_size)"
    )
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert completed.stdout.split() == [str(errno.EFBIG), str(2**26)]


def test_unexpected_exception_becomes_one_line_error(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from spam_edge.diagnostics import verify\n"
    broken += "verify.Golden.read = lambda bundle: 1 / 0\n"
    monkeypatch.setattr(verify_subprocess, "_PROGRAM", broken + verify_subprocess._PROGRAM)
    assert "bundle was not verified (ZeroDivisionError: division by zero); do not use it" in verification_error(
        tiny_bundle
    )


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import os; os.kill(os.getpid(), 11)", "the process died of SIGSEGV (no reason given)"),
        ("import sys; sys.exit('first\\nlast \\x1b[2J')", "the process died with exit code 1 (last \\x1b[2J)"),
        ("pass", "the process died with exit code 0 (no reason given)"),
        ("while True: print('x' * 10**5)", "libraries printed too much; do not use it"),
    ],
)
def test_dead_subprocess_becomes_one_line_error(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, program: str, reason: str
) -> None:
    monkeypatch.setattr(verify_subprocess, "_PROGRAM", program)
    assert reason in verification_error(tiny_bundle)


def test_library_output_is_forwarded_to_stderr(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    printing = "import os; os.write(1, b'to one\\n'); os.write(2, 'to zwö\\n'.encode()); " + verify_subprocess._PROGRAM
    monkeypatch.setattr(verify_subprocess, "_PROGRAM", printing)
    assert verify_in_subprocess(tiny_bundle, CPU).ok
    assert capfd.readouterr() == ("", "to one\nto zwö\n")


def test_modules_in_working_directory_are_not_imported(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('foreign code')")
    monkeypatch.chdir(tmp_path)
    assert verify_in_subprocess(tiny_bundle, CPU).ok


def test_refused_process_or_thread_start_is_reported(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", refuse)
        assert "no process can be started for the verification" in verification_error(tiny_bundle)

    def refuse_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse_thread)
    assert "no thread can be started for the verification" in verification_error(tiny_bundle)


@pytest.mark.parametrize(
    "limits", [{"seconds": 0}, {"seconds": float("nan")}, {"seconds": float("inf")}, {"memory": 0}, {"memory": 2**41}]
)
def test_invalid_limits_raise_option_error(limits: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        Limits(**limits)


def test_lower_system_file_size_limit_is_kept() -> None:
    code = (
        "import resource, sys; from spam_edge.diagnostics import child\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20)); child._limit(2**32, address_space=True)\n"
        "print(*resource.getrlimit(resource.RLIMIT_FSIZE), *resource.getrlimit(resource.RLIMIT_CORE))"
    )
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert completed.stdout.split() == [str(2**20), str(2**20), "0", "0"]


@pytest.mark.skipif(not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="requires /proc")
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("whole_group", [True, False])
def test_signal_ends_command_and_verification_subprocess(
    bundle_copy: Path, signal_number: signal.Signals, *, whole_group: bool
) -> None:
    hostile.with_endless_graph(bundle_copy)
    command = [sys.executable, "-m", "spam_edge", "verify", "--device", "cpu", "--variant", "fp32"]
    process = subprocess.Popen(
        [*command, "--model", bundle_copy], stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    )
    try:
        listing = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_until(lambda: listing.read_text().split())
        [child] = listing.read_text().split()
        ignored = Path(f"/proc/{child}/status")
        wait_until(lambda: _ignores_interrupts(ignored.read_text()))
        (os.killpg if whole_group else os.kill)(process.pid, signal_number)
        _, printed = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 128 + signal_number
        assert printed == ("\nInterrupted\n" if signal_number == signal.SIGINT else "")
        assert not Path(f"/proc/{child}").exists()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # otherwise an endless child would keep running
        process.wait()


def _ignores_interrupts(status: str) -> bool:
    """Return whether a process ignores SIGINT. Python by default does not; nohup adds other ignored signals."""
    [mask] = re.findall(r"SigIgn:\t(\w+)", status)
    return bool(int(mask, 16) & 1 << (signal.SIGINT - 1))
