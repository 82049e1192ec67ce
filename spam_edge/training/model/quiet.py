"""Suppression of log messages and warnings of transformers."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import transformers


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Suppress messages of transformers below errors, such as the expected one about a new classification head."""
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            # Raised when checkpoints are written within a second; their numbers order them too.
            warnings.filterwarnings("ignore", message="mtime may not be reliable", category=UserWarning)
            yield
    finally:
        transformers.logging.set_verbosity(verbosity)
