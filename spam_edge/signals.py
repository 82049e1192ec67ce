"""Exit on SIGTERM and SIGHUP by an exception, as on Ctrl-C, so that temporary files are removed."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_NUMBERS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has no SIGHUP


class Terminated(SystemExit):
    """Raised by a signal; the exit code is 128 plus its number."""


@contextmanager
def raised_signals() -> Iterator[None]:
    """Raise ``Terminated`` on a signal; one that is ignored, as under ``nohup``, or handled stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [number for number in _NUMBERS if signal.getsignal(number) == signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated(128 + number)
