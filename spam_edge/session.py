"""Open the ONNX file that suits the device, and run it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spam_edge.batching import CUDA_TOKEN_BUDGET, FUSED_TOKEN_BUDGET, TOKEN_BUDGET, Batch
from spam_edge.bundle import Bundle, Verification
from spam_edge.engine import CPU, CUDA, create_session, import_onnxruntime, offers_cuda, reason_of, refuse_two_engines
from spam_edge.errors import ProviderUnavailableError
from spam_edge.fused import obstacle
from spam_edge.manifest import Variant
from spam_edge.processor import this_processor
from spam_edge.threads import available_threads

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

DEVICES = ("auto", "cpu", "cuda")
VARIANTS = ("auto", "fused", "int8", "fp16", "fp32")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeOptions:
    """How a bundle is run. One object travels whole into every worker.

    Attributes:
        device: ``cpu``, ``cuda`` (CUDA or an error) or ``auto`` (CUDA if a session really runs on it).
        variant: ``fused`` (int8 as one operator), ``int8``, ``fp16``, ``fp32``, or ``auto`` for the one made for the
            device.
        threads: inferences that run side by side on the CPU, each on one thread; ``fused`` also has those help that
            would be idle, as with a single message. By default as many as affinity and cgroup quota leave to this
            process.
        token_budget: most tokens of a batch, padding included, at least 1; by default what suits the device. It is a
            matter of speed alone; a longer message is a batch of its own.
        threshold: lowest score called positive, 0 to 1; by default the one of the mode.
        mode: which of the thresholds in the bundle is taken; by default the one the bundle says.
        max_fpr: take the lowest threshold of which the validation ham show, with 95 % confidence, that it calls at most
            this share of ham positive, 0 to 1. No two of ``threshold``, ``mode`` and ``max_fpr`` go together.
        max_fpr_unproven: where there is too little validation ham to show ``max_fpr``, estimate the threshold instead.
        unsure: from the threshold of ``high-recall`` up to that of ``low-false-positive``, the label is ``UNSURE``;
            goes with none of these three.
        exact: run messages whose score is nearer to the threshold than its file was ever wrong at export again in fp32.
        verify: compare the sha256 of each file with the manifest before it is used.
    """

    device: str = "auto"
    variant: str = "auto"
    threads: int | None = None
    token_budget: int | None = None
    threshold: float | None = None
    mode: str | None = None
    max_fpr: float | None = None
    max_fpr_unproven: bool = False
    unsure: bool = False
    exact: bool = False
    verify: bool = True

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise ValueError(f"device must be one of {', '.join(DEVICES)}, not {self.device!r}")
        if self.variant not in VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, not {self.variant!r}")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be at least 1, not {self.threads}")
        if self.token_budget is not None and self.token_budget < 1:
            raise ValueError(f"token_budget must be at least 1, not {self.token_budget}")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold must be from 0 to 1, not {self.threshold}")
        if self.max_fpr is not None and not 0 <= self.max_fpr <= 1:
            raise ValueError(f"max_fpr must be from 0 to 1, not {self.max_fpr}")
        if self.max_fpr_unproven and self.max_fpr is None:
            raise ValueError("max_fpr_unproven says how max_fpr is taken: give max_fpr, too")
        given = [name for name in ("threshold", "mode", "max_fpr") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} each set the threshold: choose one")
        if self.unsure and given:
            raise ValueError(f"unsure takes two thresholds of the bundle, and {given[0]} sets another: choose one")


class Session:
    """An onnxruntime session that runs where it says it does.

    Attributes:
        variant: name of the ONNX file in use: ``fused``, ``int8``, ``fp16`` or ``fp32``.
        provider: execution provider the session runs on.
        threads: inferences that run side by side.
        token_budget: most tokens of a batch, padding included.
        file: path of the ONNX file inside the bundle.
    """

    def __init__(self, bundle: Bundle, *, variant: str, provider: str, options: RuntimeOptions) -> None:
        """Create the session from files that were verified."""
        file = bundle.manifest.variants[variant]
        self.variant = variant
        self.provider = provider
        self.threads = options.threads or available_threads()
        self.token_budget = options.token_budget or default_token_budget(file, provider)
        self._inputs = bundle.manifest.inputs
        self._output = [bundle.manifest.output]
        self.file, optimization = _choose_file(file, provider)
        self._session = create_session(
            bundle.file(self.file), optimization=optimization, provider=provider, fused=file.fused, threads=self.threads
        )
        if provider == CUDA:
            self._try_out()

    def run_all(self, batches: Sequence[Batch]) -> list[NDArray[np.float32]]:
        """Return the logits of each batch, in their order; see :meth:`run`."""
        # Two runs of one thread each do more than one run on two threads, which wait for each other after every
        # step, and a score does not depend on how many there are.
        if self.provider != CPU or self.threads == 1 or len(batches) < 2:
            return [self.run(*batch) for batch in batches]
        return list(self._pool.map(self.run, *zip(*batches, strict=True)))

    def run(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits, shape (rows, labels), of token ids and mask, both of shape (rows, tokens)."""
        feed = dict(zip(self._inputs, (input_ids, attention_mask), strict=True))
        logits: NDArray[np.float32] = self._session.run(self._output, feed)[0]
        return logits

    @cached_property
    def _pool(self) -> "ThreadPoolExecutor":
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - a single message starts faster without

        return ThreadPoolExecutor(self.threads, "spam-edge")

    def _try_out(self) -> None:
        """Run one row: a session may be created on a device whose kernels then fail."""
        ids = np.zeros((1, 2), dtype=np.int64)
        try:
            self.run(ids, np.ones_like(ids))
        except Exception as error:
            raise ProviderUnavailableError(
                f"CUDA was asked for, but the model does not run on it ({reason_of(error)}); use the CPU"
            ) from error


def open_session(bundle: Bundle, options: RuntimeOptions) -> Session:
    """Open the file that suits device and variant.

    Raises:
        ProviderUnavailableError: onnxruntime is missing or installed twice, the device cannot be used, or the
            bundle has no file for it.
        BundleIntegrityError: the file was changed or is no ONNX model.
    """
    verification = _begin_to_verify(bundle, options)
    if options.device == "cpu":
        return _open_on(CPU, bundle, options, verification)
    refuse_two_engines()
    if options.device == "cuda":
        return _open_on(CUDA, bundle, options, verification)
    if offers_cuda():
        try:
            return _open_on(CUDA, bundle, options, verification)
        except ProviderUnavailableError:
            pass  # `auto` promises the CPU where CUDA does not run; `info` shows which one it is
    return _open_on(CPU, bundle, options, verification)


def settle(bundle: Bundle, options: RuntimeOptions) -> tuple[RuntimeOptions, str]:
    """Put in place of ``auto`` what it comes to here, so that all who get the options run the same file.

    Returns:
        the options, and the ONNX file inside the bundle that they stand for on this processor.

    Raises:
        ProviderUnavailableError: as :func:`open_session`.
    """
    provider = CUDA if options.device == "cuda" else CPU
    if options.device == "auto":
        refuse_two_engines()
        if offers_cuda():
            provider = open_session(bundle, options).provider  # nothing less tells whether CUDA works here
    variants = bundle.manifest.variants
    variant = choose_variant(variants, provider, options.variant)
    device = "cuda" if provider == CUDA else "cpu"
    return replace(options, device=device, variant=variant), _choose_file(variants[variant], provider)[0]


def choose_variant(variants: Mapping[str, Variant], provider: str, wanted: str) -> str:
    """Name the file for a provider: the one asked for, else the first made for it, else the first that runs on it.

    A file that needs the fused operator is passed over where there is none.

    Raises:
        ProviderUnavailableError: the bundle lacks the file, or it is not meant for this provider.
    """
    device = "CUDA" if provider == CUDA else "the CPU"
    if wanted != "auto":
        if wanted not in variants:
            raise ProviderUnavailableError(f"this bundle has no {wanted} file; it has {', '.join(variants)}")
        if provider not in variants[wanted].providers:
            raise ProviderUnavailableError(f"the {wanted} file is not meant for {device}; leave the variant at auto")
        if variants[wanted].fused and obstacle():
            raise ProviderUnavailableError(f"{obstacle()}; leave the variant at auto")
        return wanted
    usable = [
        name
        for name, variant in variants.items()
        if provider in variant.providers and not (variant.fused and obstacle())
    ]
    if not usable:
        raise ProviderUnavailableError(f"this bundle has no file for {device}; it has {', '.join(variants)}")
    return next((name for name in usable if variants[name].providers[0] == provider), usable[0])


def default_token_budget(file: Variant, provider: str) -> int:
    """Return the most tokens of a batch that suit a file on a provider."""
    if provider == CUDA:
        return CUDA_TOKEN_BUDGET
    return FUSED_TOKEN_BUDGET if file.fused else TOKEN_BUDGET


def _choose_file(variant: Variant, provider: str) -> tuple[str, str]:
    """Return the file of a variant that is exact on this processor, and its level of graph optimisation."""
    if provider == CPU and variant.without_vnni is not None and this_processor().saturates:
        return variant.without_vnni, "basic"  # which folds constants: the weights, turned into uint8
    return variant.file, variant.optimization


def _begin_to_verify(bundle: Bundle, options: RuntimeOptions) -> Verification | None:
    """Begin with the file for the CPU, which most use; whatever else is opened is verified as well."""
    if not options.verify:
        return None
    needed: list[str] = []
    with suppress(ProviderUnavailableError):  # said where it is opened
        variants = bundle.manifest.variants
        needed = variants[choose_variant(variants, CPU, options.variant)].needs
    return Verification(bundle, needed)


def _open_on(provider: str, bundle: Bundle, options: RuntimeOptions, verification: Verification | None) -> Session:
    variants = bundle.manifest.variants
    variant = choose_variant(variants, provider, options.variant)
    import_onnxruntime()
    if verification is not None:
        verification.require(variants[variant].needs)
    return Session(bundle, variant=variant, provider=provider, options=options)
