"""onnxruntime itself: import it, find out what it can do here, and create a session that is checked."""

import ctypes
import io
import os
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

from spam_edge.errors import BundleIntegrityError, ProviderUnavailableError
from spam_edge.fused import OPERATOR, library

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
_WARNING, _FATAL = 2, 4  # severities of onnxruntime's loggers
_PROVIDER_OPTIONS: Mapping[str, Mapping[str, str]] = {
    CPU: {},
    # fp32 stays fp32, and memory grows by what is needed instead of by doubling
    CUDA: {"use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"},
}


def import_onnxruntime() -> ModuleType:
    """Import onnxruntime with its telemetry switched off.

    Official wheels from 1.29 on report usage unless this variable is set before the import. Messages are
    personal data, so it is set whatever the environment says.

    Raises:
        ProviderUnavailableError: neither wheel is installed.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime  # noqa: PLC0415 - slow, and the variable must be set before
    except ImportError as error:
        raise ProviderUnavailableError(
            f"onnxruntime cannot be imported ({error}); install one engine: "
            "pip install 'spam-edge[cpu]', or 'spam-edge[gpu]' for an NVIDIA GPU"
        ) from error
    return onnxruntime  # type: ignore[no-any-return]


def create_session(path: Path, *, optimization: str, provider: str, fused: bool = False, threads: int = 1) -> Any:
    """Create an ``onnxruntime.InferenceSession`` on exactly this provider.

    A run takes one thread, and the fused operator those that other runs leave idle as well.

    Args:
        path: ONNX file.
        optimization: graph optimisation level: ``all``, ``extended``, ``basic`` or ``disabled``.
        provider: :data:`CPU` or :data:`CUDA`.
        fused: the file needs the operator of :mod:`spam_edge.fused`.
        threads: most that the fused operator may keep busy in this process.

    Raises:
        BundleIntegrityError: the file is missing or no ONNX model.
        ProviderUnavailableError: onnxruntime or CUDA is not usable here.
    """
    if not path.is_file():
        raise BundleIntegrityError(f"{path} is missing; export the bundle again or copy it whole")
    if provider == CUDA:
        return _create_on_cuda(path, optimization)
    try:
        return _create(path, optimization, provider, threads if fused else None)
    except Exception as error:  # onnxruntime has no common base class for its errors
        raise BundleIntegrityError(f"{path} cannot be opened ({reason_of(error)}); export the bundle again") from error


def offers_cuda() -> bool:
    """Whether the installed wheel has CUDA built in, which does not mean that it works here."""
    return CUDA in import_onnxruntime().get_available_providers()


def refuse_two_engines() -> None:
    """Raise when both wheels are installed.

    Raises:
        ProviderUnavailableError: they are, and have overwritten each other's files.
    """
    if len(_installed_engines()) > 1:
        raise ProviderUnavailableError(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other; remove one: "
            "pip uninstall onnxruntime onnxruntime-gpu, then pip install 'spam-edge[gpu]' (or '[cpu]')"
        )


def reason_of(error: Exception) -> str:
    """First line of what onnxruntime says: the rest is its own stack."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _create(path: Path, optimization: str, provider: str, threads_of_operator: int | None = None) -> Any:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # one pattern would be kept for every shape ever seen
    options.log_severity_level = _FATAL  # what matters arrives as an exception, or is checked after creation
    if threads_of_operator is not None:
        options.add_session_config_entry(f"custom_op.{OPERATOR}.threads", str(threads_of_operator))
        options.register_custom_ops_library(str(library()))
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = {
        "all": levels.ORT_ENABLE_ALL,
        "extended": levels.ORT_ENABLE_EXTENDED,
        "basic": levels.ORT_ENABLE_BASIC,
        "disabled": levels.ORT_DISABLE_ALL,
    }[optimization]
    providers = [(provider, dict(_PROVIDER_OPTIONS[provider]))]
    return onnxruntime.InferenceSession(str(path), sess_options=options, providers=providers, enable_fallback=0)


def _create_on_cuda(path: Path, optimization: str) -> Any:
    onnxruntime = import_onnxruntime()
    if not offers_cuda():
        raise ProviderUnavailableError(
            "CUDA was asked for, but the installed onnxruntime is the CPU build; "
            "pip uninstall onnxruntime && pip install 'spam-edge[gpu]'"
        )
    if not _has_nvidia_driver():
        raise ProviderUnavailableError(
            "CUDA was asked for, but no NVIDIA driver was found (libcuda cannot be loaded); install it or use the CPU"
        )
    remedy = "pip install 'spam-edge[gpu]' brings CUDA and cuDNN"
    printed = io.StringIO()
    with redirect_stdout(printed):  # it reports missing libraries there, among the data of whoever calls us
        onnxruntime.preload_dlls()
    onnxruntime.set_default_logger_severity(_FATAL)
    try:
        session = _create(path, optimization, CUDA)
    except Exception as error:
        raise ProviderUnavailableError(
            f"CUDA was asked for, but no session starts on it ({reason_of(error)}); {remedy}"
        ) from error
    finally:
        onnxruntime.set_default_logger_severity(_WARNING)
    # A provider that fails to load is dropped with no more than a line in the log: look at what is left.
    if session.get_providers()[0] != CUDA:
        missing = printed.getvalue().strip().splitlines()
        cause = missing[0] if missing else "the provider does not load"
        raise ProviderUnavailableError(f"CUDA was asked for, but it does not start ({cause}); {remedy}")
    return session


def _has_nvidia_driver() -> bool:
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _installed_engines() -> set[str]:
    """Names of the wheels that own the folder ``onnxruntime``; importlib.metadata would cost 15 ms of every start."""
    site_packages = Path(import_onnxruntime().__file__ or ".").parents[1]
    installed = {path.name.partition("-")[0] for path in site_packages.glob("onnxruntime*.dist-info")}
    return installed & {"onnxruntime", "onnxruntime_gpu"}
