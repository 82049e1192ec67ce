"""Import onnxruntime, and read its errors."""

from types import ModuleType

from spam_edge.errors import ProviderUnavailableError
from spam_edge.extras import disable_telemetry


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
