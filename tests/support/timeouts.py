"""Polling with a timeout that is long enough for loaded machines."""

import time
from collections.abc import Callable

TIMEOUT = 300.0
"""Timeout in seconds."""


def wait_until(condition: Callable[[], object]) -> None:
    """Block until the condition holds; fail the test after ``TIMEOUT`` seconds."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, f"timed out after {TIMEOUT:g} seconds"
        time.sleep(0.01)
