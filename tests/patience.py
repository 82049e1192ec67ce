"""How long to wait for what has to happen: so long that a loaded machine is not taken for a broken one."""

import time
from collections.abc import Callable

PATIENCE = 300.0
"""Seconds. What takes longer does not happen at all."""


def wait_until(condition: Callable[[], object]) -> None:
    """Return when the condition holds; fail the test if it never does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
