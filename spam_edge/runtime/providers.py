"""Detect the execution providers of onnxruntime, and create checked sessions."""

import ctypes
import io
import os
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from spam_edge.bundle.copies import PrivateCopy
from spam_edge.errors import BundleIntegrityError, ProviderUnavailableError
from spam_edge.runtime.custom_operator import OPERATOR, library
from spam_edge.runtime.engine import import_onnxruntime, reason_of
from spam_edge.runtime.graph import Graph

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
_WARNING, _FATAL = 2, 4  # log severities of onnxruntime
_PROVIDER_OPTIONS: Mapping[str, Mapping[str, str]] = {
    CPU: {},
    # No TF32: fp32 products keep their precision. The arena grows by the size requested, not by doubling.
    CUDA: {"use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"},
}


def create_session(
    path: Path,
    *,
    optimization: str,
    provider: str,
    fused: bool = False,
    threads: int = 1,
) -> Any:
    """Read an ONNX file and the weights beside it, and open them; see :func:`open_graph`.

    Raises:
        BundleIntegrityError: a file is missing or not an ONNX model that :class:`Graph` accepts.
        ProviderUnavailableError: onnxruntime or CUDA is not usable on this machine.
    """
    graph = Graph.read(path, _reader(path.parent), fused=fused)
    return open_graph(graph, optimization=optimization, provider=provider, threads=threads)


def open_graph(graph: Graph, *, optimization: str, provider: str, threads: int = 1) -> Any:
    """Create an ``onnxruntime.InferenceSession`` on exactly this provider.

    onnxruntime gets the bytes of the graph and of its weights, and opens nothing itself. A run uses one thread. The
    fused operator also uses threads that other runs leave idle.

    Args:
        graph: the graph.
        optimization: graph optimisation level: ``all``, ``extended``, ``basic`` or ``disabled``.
        provider: :data:`CPU` or :data:`CUDA`.
        threads: maximum threads of the fused operator, shared by all runs in this process.

    Raises:
        BundleIntegrityError: onnxruntime or the fused operator refuses the graph.
        ProviderUnavailableError: onnxruntime or CUDA is not usable on this machine.
    """
    if provider == CUDA:
        return _create_on_cuda(graph, optimization)
    try:
        return _create(graph, optimization, provider, threads if graph.fused else None)
    except Exception as error:  # onnxruntime has no common base class for its errors
        raise BundleIntegrityError(
            f"{graph.path} cannot be opened ({reason_of(error)}); export the bundle again"
        ) from error


def _reader(folder: Path) -> Callable[[str], PrivateCopy]:
    def read(name: str) -> PrivateCopy:
        try:
            with io.FileIO(folder / name) as stream:
                return PrivateCopy.of(stream)
        except OSError as error:
            raise BundleIntegrityError(
                f"{folder / name} cannot be read ({error.strerror}); export the bundle again or copy it whole"
            ) from error

    return read


def offers_cuda() -> bool:
    """Return whether the installed wheel is built with CUDA; CUDA may still fail on this machine."""
    return CUDA in import_onnxruntime().get_available_providers()


def may_use_cuda() -> bool:
    """Return whether a session may open on CUDA: the wheel is built with it, and a driver is installed."""
    return offers_cuda() and _has_nvidia_driver()


def refuse_two_engines() -> None:
    """Check that only one onnxruntime wheel is installed.

    Raises:
        ProviderUnavailableError: both are installed and have overwritten each other's files.
    """
    if len(_installed_engines()) > 1:
        raise ProviderUnavailableError(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files; "
            "pip uninstall onnxruntime onnxruntime-gpu, then pip install 'spam-edge[gpu]' (or '[cpu]')"
        )


def _create(graph: Graph, optimization: str, provider: str, threads_of_operator: int | None = None) -> Any:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # onnxruntime keeps one memory pattern per input shape, for ever
    options.log_severity_level = _FATAL  # failures raise, or are checked after creation
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
    model, weights = _with_weights(graph, options, in_place=threads_of_operator is not None)
    session = onnxruntime.InferenceSession(model, sess_options=options, providers=providers, enable_fallback=0)
    session._model_bytes = None  # onnxruntime holds them to create the session anew, which is never done
    session.spam_edge_weights = weights  # the session points into them, so they live as long
    return session


def _with_weights(graph: Graph, options: Any, *, in_place: bool) -> tuple[bytes | str, object]:
    """Give external weights to the session options.

    Args:
        graph: the ONNX file.
        options: the session options.
        in_place: let the session use the weights where they are, which forked processes then share. The graph must not
            compute with them before it runs: they replace empty constants. Otherwise onnxruntime copies them.

    Returns:
        The ONNX file for the session, and what must live as long as the session.
    """
    if not graph.external:  # a path into memory spares a copy
        return graph.copy.path or bytes(graph.copy.content), None
    if not in_place:
        contents = [file.content for file in graph.files.values()]
        sizes = [len(content) for content in contents]
        options.add_external_initializers_from_files_in_memory(list(graph.files), contents, sizes)
        return bytes(graph.copy.content), None
    value_of = import_onnxruntime().OrtValue.ortvalue_from_numpy
    weights = {name: value_of(value) for name, value in graph.values.items()}
    for name, value in weights.items():
        options.add_initializer(name, value)
    return graph.without_external(), weights


def _create_on_cuda(graph: Graph, optimization: str) -> Any:
    onnxruntime = import_onnxruntime()
    if not offers_cuda():
        raise ProviderUnavailableError(
            "CUDA was requested, but the installed onnxruntime is the CPU build; "
            "pip uninstall onnxruntime && pip install 'spam-edge[gpu]'"
        )
    if not _has_nvidia_driver():
        raise ProviderUnavailableError(
            "CUDA was requested, but no NVIDIA driver was found (libcuda does not load); install one or use the CPU"
        )
    remedy = "pip install 'spam-edge[gpu]' installs CUDA and cuDNN"
    printed = io.StringIO()
    with redirect_stdout(printed):  # preload_dlls prints missing libraries to standard output, which is for data
        onnxruntime.preload_dlls()
    onnxruntime.set_default_logger_severity(_FATAL)
    try:
        session = _create(graph, optimization, CUDA)
    except Exception as error:
        raise ProviderUnavailableError(
            f"CUDA was requested, but no session can be created on it ({reason_of(error)}); {remedy}"
        ) from error
    finally:
        onnxruntime.set_default_logger_severity(_WARNING)
    # onnxruntime drops a provider that fails to load with a log line only, so check the providers of the session.
    if session.get_providers()[0] != CUDA:
        missing = printed.getvalue().strip().splitlines()
        cause = missing[0] if missing else "no reason given"
        raise ProviderUnavailableError(f"CUDA was requested, but its provider does not load ({cause}); {remedy}")
    return session


def _has_nvidia_driver() -> bool:
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _installed_engines() -> set[str]:
    """Return the installed wheels that own the package ``onnxruntime``; importlib.metadata adds 15 ms to each start."""
    site_packages = Path(import_onnxruntime().__file__ or ".").parents[1]
    installed = {path.name.partition("-")[0] for path in site_packages.glob("onnxruntime*.dist-info")}
    return installed & {"onnxruntime", "onnxruntime_gpu"}
