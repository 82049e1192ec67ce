"""Silence for a library that tells users about its own workings."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import transformers


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Let only errors of transformers through: that a classification head is new is what we came for."""
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            # Said where checkpoints follow each other within a second; their numbers order them as well.
            warnings.filterwarnings("ignore", message="mtime may not be reliable", category=UserWarning)
            yield
    finally:
        transformers.logging.set_verbosity(verbosity)
