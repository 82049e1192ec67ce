"""The libraries of the fused operator that this processor can run, and how to choose one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from spam_edge import fused
from spam_edge.processor import this_processor


def fused_vectors() -> tuple[str, ...]:
    """Return the names of the libraries, the one that is taken by default first."""
    return {"avx512": ("avx512", "avx2"), "avx2": ("avx2",)}.get(this_processor().vectors, ())


@contextmanager
def use_vectors(name: str) -> Iterator[None]:
    """Have sessions opened with this library."""
    here = this_processor()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fused, "this_processor", lambda: replace(here, vectors=name))
        yield
