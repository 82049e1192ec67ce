"""Encoders without the text library, as on systems for which there is none."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spam_edge.text import native


@contextmanager
def without_text_library() -> Iterator[None]:
    """Hide the text library from encoders and classifiers that are opened inside the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "FOLDER", Path("nowhere"))
        yield
