"""CUDA in tests: the condition of those marked ``gpu``, and a stand-in for the others."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest

from spam_edge.bundle.manifest import Variant
from spam_edge.runtime import providers, session
from spam_edge.runtime.providers import CPU, CUDA

NEEDS_CUDA = pytest.mark.skipif(
    CUDA not in onnxruntime.get_available_providers() or not providers._has_nvidia_driver(),
    reason="needs onnxruntime-gpu and a CUDA device",
)


def pretend_cuda(monkeypatch: pytest.MonkeyPatch, open_session: Any, *, padded: bool = True) -> None:
    """Simulate the GPU build of onnxruntime and a driver.

    Args:
        monkeypatch: undoes it.
        open_session: creates the sessions.
        padded: open the fp16 graph with padding, which has kernels on the CPU, in place of the one without.
    """
    if padded:
        use_padding(monkeypatch)
    made_up = SimpleNamespace(**{name: getattr(onnxruntime, name) for name in dir(onnxruntime) if name[0] != "_"})
    made_up.__file__ = onnxruntime.__file__
    made_up.get_available_providers = lambda: [CUDA, CPU]
    made_up.InferenceSession = open_session
    made_up.preload_dlls = lambda: print("Failed to load libcublas.so.13")
    monkeypatch.setattr(providers, "import_onnxruntime", lambda: made_up)
    monkeypatch.setattr(providers, "_has_nvidia_driver", lambda: True)


def use_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open the fp16 graph with padding on CUDA, too."""
    choose = session._choose_file

    def choose_padded(file: Variant, provider: str) -> tuple[str, str]:
        return choose(replace(file, packed=None), provider)

    monkeypatch.setattr(session, "_choose_file", choose_padded)


def on_the_cpu(before_run: Callable[[Any], None] = lambda feed: None) -> Any:
    """Return a function for :func:`pretend_cuda` that creates real sessions on the CPU, which say that they use CUDA.

    Args:
        before_run: called with the inputs of each run; what it raises is the error of the run.
    """

    def create(model: Any, *, sess_options: Any, **_: Any) -> Any:
        real = onnxruntime.InferenceSession(model, sess_options, providers=[CPU])

        def run(output: list[str], feed: Any) -> Any:
            before_run(feed)
            return real.run(output, feed)

        return SimpleNamespace(get_providers=lambda: [CUDA, CPU], run=run)

    return create
