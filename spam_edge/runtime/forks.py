"""Fork-safe locks: a fork waits for the lock, so a child process never inherits it locked."""

import os
import threading


def lock_across_forks() -> "threading.RLock":
    """Return a new fork-safe lock. It is never freed: create one per module, not one per object."""
    lock = threading.RLock()  # reentrant, because the owner itself may fork
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock
