"""A lock that a fork respects: nobody is forked while it is held, so that no child finds it held for ever."""

import os
import threading


def lock_across_forks() -> "threading.RLock":
    """Return a new lock, for the life of the process; make one per module, not one per object."""
    lock = threading.RLock()  # its owner may fork: where that is not taken for another thread
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock
