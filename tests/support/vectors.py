"""Selection of the fused operator's library among those that this processor can run."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from spam_edge.runtime.custom_operator import ENVIRONMENT_VARIABLE
from spam_edge.runtime.processor import this_processor


def fused_vectors() -> tuple[str, ...]:
    """Return the names of the libraries that this processor can run, the default first."""
    return this_processor().vectors


@contextmanager
def use_vectors(name: str) -> Iterator[None]:
    """Open sessions with this library inside the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENVIRONMENT_VARIABLE, name)
        yield
