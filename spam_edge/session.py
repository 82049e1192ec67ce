"""Open an onnxruntime session on the right file and device, and check that it runs there."""

import ctypes
import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spam_edge.batching import Batch
from spam_edge.bundle import Bundle
from spam_edge.errors import BundleIntegrityError, ProviderUnavailableError
from spam_edge.manifest import Variant
from spam_edge.threads import available_threads

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
DEVICES = ("auto", "cpu", "cuda")
VARIANTS = ("auto", "int8", "fp16", "fp32")
_WARNING, _FATAL = 2, 4  # severities of onnxruntime's loggers


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeOptions:
    """How a bundle is run. One object travels whole into every worker.

    Attributes:
        device: ``cpu``, ``cuda`` (CUDA or an error) or ``auto`` (CUDA if a session really runs on it).
        variant: ``int8``, ``fp16``, ``fp32``, or ``auto`` for the one made for the device.
        threads: inferences that run side by side on the CPU, each on one thread; by default as many as affinity and
            cgroup quota leave to this process.
        threshold: lowest score called positive, 0 to 1; by default the one shipped in the bundle.
        verify: compare the sha256 of each file with the manifest before it is used.
    """

    device: str = "auto"
    variant: str = "auto"
    threads: int | None = None
    threshold: float | None = None
    verify: bool = True

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise ValueError(f"device must be one of {', '.join(DEVICES)}, not {self.device!r}")
        if self.variant not in VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, not {self.variant!r}")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be at least 1, not {self.threads}")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold must be from 0 to 1, not {self.threshold}")


class Session:
    """An onnxruntime session that runs where it says it does.

    Attributes:
        variant: name of the ONNX file in use: ``int8``, ``fp16`` or ``fp32``.
        provider: execution provider the session runs on.
        threads: inferences that run side by side.
    """

    def __init__(self, bundle: Bundle, *, variant: str, provider: str, options: RuntimeOptions) -> None:
        file = bundle.manifest.variants[variant]
        if options.verify:
            bundle.verify([file.file])
        self.variant = variant
        self.provider = provider
        self.threads = options.threads or available_threads()
        self._inputs = bundle.manifest.inputs
        self._output = [bundle.manifest.output]
        self._session = _create(bundle, file, provider=provider)
        # Two runs of one thread each do more than one run on two threads, which wait for each other after every
        # operator, and a score does not depend on how many there are.
        parallel = provider == CPU and self.threads > 1
        self._pool = ThreadPoolExecutor(self.threads, "spam-edge") if parallel else None

    def run_all(self, batches: Sequence[Batch]) -> list[NDArray[np.float32]]:
        """Return the logits of each batch, in their order; see :meth:`run`."""
        if self._pool is None or len(batches) < 2:
            return [self.run(*batch) for batch in batches]
        return list(self._pool.map(self.run, *zip(*batches, strict=True)))

    def run(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits, shape (rows, labels), of token ids and mask, both of shape (rows, tokens)."""
        feed = dict(zip(self._inputs, (input_ids, attention_mask), strict=True))
        logits: NDArray[np.float32] = self._session.run(self._output, feed)[0]
        return logits


def open_session(bundle: Bundle, options: RuntimeOptions) -> Session:
    """Open the file that suits device and variant.

    Raises:
        ProviderUnavailableError: onnxruntime is missing or installed twice, the device cannot be used, or the
            bundle has no file for it.
        BundleIntegrityError: the file was changed or is no ONNX model.
    """
    if options.device == "cpu":
        return _open_on(CPU, bundle, options)
    _refuse_two_engines()
    if options.device == "cuda":
        return _open_on(CUDA, bundle, options)
    if CUDA in import_onnxruntime().get_available_providers():
        try:
            return _open_on(CUDA, bundle, options)
        except ProviderUnavailableError:
            pass  # `auto` promises the CPU where CUDA does not run; `info` shows which one it is
    return _open_on(CPU, bundle, options)


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


def choose_variant(variants: dict[str, Variant], provider: str, wanted: str) -> str:
    """Name the file for a provider: the one asked for, else the first made for it, else the first that runs on it.

    Raises:
        ProviderUnavailableError: the bundle lacks the file, or it is not meant for this provider.
    """
    device = "CUDA" if provider == CUDA else "the CPU"
    if wanted != "auto":
        if wanted not in variants:
            raise ProviderUnavailableError(f"this bundle has no {wanted} file; it has {', '.join(variants)}")
        if provider not in variants[wanted].providers:
            raise ProviderUnavailableError(f"the {wanted} file is not meant for {device}; leave the variant at auto")
        return wanted
    usable = [name for name, variant in variants.items() if provider in variant.providers]
    if not usable:
        raise ProviderUnavailableError(f"this bundle has no file for {device}; it has {', '.join(variants)}")
    return next((name for name in usable if variants[name].providers[0] == provider), usable[0])


def _open_on(provider: str, bundle: Bundle, options: RuntimeOptions) -> Session:
    variant = choose_variant(dict(bundle.manifest.variants), provider, options.variant)
    if provider == CUDA and CUDA not in import_onnxruntime().get_available_providers():
        raise ProviderUnavailableError(
            "CUDA was asked for, but the installed onnxruntime is the CPU build; "
            "pip uninstall onnxruntime && pip install 'spam-edge[gpu]'"
        )
    if provider == CUDA and not _has_nvidia_driver():
        raise ProviderUnavailableError(
            "CUDA was asked for, but no NVIDIA driver was found (libcuda cannot be loaded); install it or use the CPU"
        )
    return Session(bundle, variant=variant, provider=provider, options=options)


def _create(bundle: Bundle, variant: Variant, *, provider: str) -> Any:
    path = bundle.file(variant.file)
    if not path.is_file():
        raise BundleIntegrityError(f"{path} is missing; export the bundle again or copy it whole")
    onnxruntime = import_onnxruntime()

    def open_on(providers: list[str]) -> Any:
        options = _session_options(onnxruntime, variant)
        return onnxruntime.InferenceSession(str(path), sess_options=options, providers=providers, enable_fallback=0)

    if provider == CUDA:
        return _create_on_cuda(onnxruntime, open_on)
    try:
        return open_on([provider])
    except Exception as error:  # onnxruntime has no common base class for its errors
        raise BundleIntegrityError(f"{path} cannot be opened ({_reason(error)}); export the bundle again") from error


def _create_on_cuda(onnxruntime: ModuleType, open_on: Callable[[list[str]], Any]) -> Any:
    remedy = "pip install 'spam-edge[gpu]' brings CUDA and cuDNN"
    printed = io.StringIO()
    with redirect_stdout(printed):  # it reports missing libraries there, among the data of whoever calls us
        onnxruntime.preload_dlls()
    onnxruntime.set_default_logger_severity(_FATAL)
    try:
        session = open_on([CUDA])
    except Exception as error:
        raise ProviderUnavailableError(
            f"CUDA was asked for, but no session starts on it ({_reason(error)}); {remedy}"
        ) from error
    finally:
        onnxruntime.set_default_logger_severity(_WARNING)
    # A provider that fails to load is dropped with no more than a line in the log: look at what is left.
    if session.get_providers()[0] != CUDA:
        missing = printed.getvalue().strip().splitlines()
        cause = missing[0] if missing else "the provider does not load"
        raise ProviderUnavailableError(f"CUDA was asked for, but it does not start ({cause}); {remedy}")
    return session


def _reason(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _session_options(onnxruntime: ModuleType, variant: Variant) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # one pattern would be kept for every shape ever seen
    options.log_severity_level = _FATAL  # what matters arrives as an exception, or is checked after creation
    options.graph_optimization_level = {
        "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
        "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
        "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
        "disabled": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    }[variant.optimization]
    return options


def _has_nvidia_driver() -> bool:
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _refuse_two_engines() -> None:
    if len(_installed_engines()) > 1:
        raise ProviderUnavailableError(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other; remove one: "
            "pip uninstall onnxruntime onnxruntime-gpu, then pip install 'spam-edge[gpu]' (or '[cpu]')"
        )


def _installed_engines() -> set[str]:
    """Names of the wheels that own the folder ``onnxruntime``; importlib.metadata would cost 15 ms of every start."""
    site_packages = Path(import_onnxruntime().__file__ or ".").parents[1]
    installed = {path.name.partition("-")[0] for path in site_packages.glob("onnxruntime*.dist-info")}
    return installed & {"onnxruntime", "onnxruntime_gpu"}
