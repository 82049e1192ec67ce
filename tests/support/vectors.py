"""Selection of the fused operator's library among those that this processor can run."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from spam_edge.native.build import TARGETS, compile_library
from spam_edge.runtime import custom_operator
from spam_edge.runtime.custom_operator import ENVIRONMENT_VARIABLE, is_permitted
from spam_edge.runtime.processor import this_processor

EMULATED = "amx_emulated"
"""AMX with tile instructions in C and the vectors of AVX2, which no wheel contains; see native/simd/tiles.h."""
_X86, _ARM = TARGETS["x86_64"], TARGETS["aarch64"]
ALL_VECTORS = {**_X86.definitions, EMULATED: ["-DSPAM_EDGE_AMX_EMULATED"], **_ARM.definitions}
"""Arguments of the compiler that select each instruction set."""


def vectors_of_this_architecture() -> list[str]:
    """Return the names of all libraries for processors of this architecture, the fastest first."""
    has_x86 = this_processor().machine == "x86-64"
    return [name for name in ALL_VECTORS if (name not in _ARM.definitions) == has_x86]


def fused_vectors() -> tuple[str, ...]:
    """Return the names of the libraries that this processor can run, the fastest first."""
    usable = tuple(filter(is_permitted, this_processor().vectors))
    return (*usable, EMULATED) if "avx2" in usable and find_spec("ziglang") else usable


@contextmanager
def use_vectors(name: str) -> Iterator[None]:
    """Open sessions with this library inside the block."""
    with pytest.MonkeyPatch.context() as patch:
        if name == EMULATED:
            processor = this_processor()._replace(vectors=(EMULATED,))
            patch.setattr(custom_operator, "FOLDER", Path(_emulated_folder().name))
            patch.setattr(custom_operator, "this_processor", lambda: processor)
        patch.setenv(ENVIRONMENT_VARIABLE, name)
        yield


@cache
def _emulated_folder() -> "tempfile.TemporaryDirectory[str]":
    """Compile the library once per process, and return its folder."""
    folder = tempfile.TemporaryDirectory()
    compile_library(_X86, EMULATED, ALL_VECTORS[EMULATED], Path(folder.name))
    return folder
