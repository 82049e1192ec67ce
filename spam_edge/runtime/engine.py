"""Import onnxruntime, and read its errors."""

from types import ModuleType

from spam_edge.errors import ProviderUnavailableError
from spam_edge.extras import disable_telemetry

_OUT_OF_MEMORY = ("out of memory", "failed to allocate memory", "smaller than requested bytes", "alloc_failed")
"""Of the CUDA runtime, of onnxruntime's arena without and with a limit, and of cuBLAS; in lower case."""


def import_onnxruntime() -> ModuleType:
    """Import onnxruntime with telemetry disabled.

    Raises:
        ProviderUnavailableError: neither wheel is installed.
    """
    disable_telemetry()
    try:
        import onnxruntime  # noqa: PLC0415 - slow, and the variable must be set before
    except ImportError as error:
        raise ProviderUnavailableError(
            f"onnxruntime cannot be imported ({error}); install one of its builds: "
            "pip install 'spam-edge[cpu]', or 'spam-edge[gpu]' for an NVIDIA GPU"
        ) from error
    return onnxruntime  # type: ignore[no-any-return]


def reason_of(error: Exception) -> str:
    """Return the first line of an onnxruntime error; the rest is its C++ stack trace."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an onnxruntime error says that a GPU has too little free memory. It has no class of its own."""
    text = str(error).lower()
    return any(words in text for words in _OUT_OF_MEMORY)
