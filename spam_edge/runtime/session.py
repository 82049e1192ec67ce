"""Choose the ONNX file for the device, open it, and run it."""

import posixpath
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spam_edge.bundle.contents import Contents
from spam_edge.bundle.locate import Bundle
from spam_edge.bundle.manifest import Variant
from spam_edge.errors import BundleIntegrityError, ProviderUnavailableError, SpamEdgeError
from spam_edge.options import RuntimeOptions
from spam_edge.resources import available_threads
from spam_edge.runtime.batching import CUDA_TOKEN_BUDGET, FUSED_TOKEN_BUDGET, TOKEN_BUDGET, Batch, pack_rows
from spam_edge.runtime.custom_operator import instruction_set, library, unavailable_reason, unsuited_reason
from spam_edge.runtime.engine import import_onnxruntime, is_out_of_memory, reason_of
from spam_edge.runtime.graph import Graph
from spam_edge.runtime.packing import pack_weights
from spam_edge.runtime.processor import this_processor
from spam_edge.runtime.providers import CPU, CUDA, offers_cuda, open_graph, refuse_two_engines

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor


class Session:
    """An onnxruntime session on a checked execution provider.

    Attributes:
        variant: model variant: ``fused``, ``int8``, ``fp16`` or ``fp32``.
        provider: execution provider the session runs on.
        threads: concurrent inferences.
        token_budget: maximum tokens per batch, padding included. It shrinks if a GPU runs out of memory.
        file: path of the ONNX file inside the bundle.
        instructions: instruction set of the fused operator; None for other variants.
    """

    def __init__(
        self, bundle: Bundle, contents: Contents, *, variant: str, provider: str, options: RuntimeOptions
    ) -> None:
        """Create the session from the contents of the bundle."""
        file = bundle.manifest.variants[variant]
        self.variant = variant
        self.provider = provider
        self.threads = options.threads or available_threads()
        self.token_budget = options.token_budget or default_token_budget(file, provider)
        self.instructions = instruction_set() if file.fused else None
        self._alone = False  # whether the system refused a thread; scores are the same without
        self._inputs = bundle.manifest.inputs
        self._output = [bundle.manifest.output]
        self._labels = len(bundle.manifest.labels)
        self.file, optimization = _choose_file(file, provider)
        self._is_packed = self.file == file.packed
        graph = _read_graph(bundle, contents, self.file, fused=file.fused)
        contents.release()
        self._session = open_graph(graph, optimization=optimization, provider=provider, threads=self.threads)
        if provider == CUDA:
            self._try_out()

    def run_all(self, batches: Sequence[Batch]) -> list[NDArray[np.float32]]:
        """Return the logits of each batch, in order; see :meth:`run`."""
        # Two runs on one thread each are faster than one run on two threads, which synchronise after every step.
        # Scores do not depend on the number of threads.
        if self.provider == CPU and self.threads > 1 and len(batches) > 1 and not self._alone:
            try:
                results = self._pool.map(self.run, *zip(*batches, strict=True))
            except RuntimeError:  # the system refuses threads
                self._alone = True
                self._pool.shutdown(wait=False, cancel_futures=True)
            else:
                return list(results)
        return [self.run(*batch) for batch in batches]

    def run(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return logits, shape (rows, labels), for token ids and attention mask, each of shape (rows, tokens).

        If the memory of a GPU does not hold the batch, its halves run one after the other.

        Raises:
            BundleIntegrityError: the model refuses the input, or returns other than finite logits of this shape.
            SpamEdgeError: the run failed for another reason, such as too little memory for one message.
        """
        feed = self._feed(input_ids, attention_mask)
        try:
            logits: NDArray[np.float32] = self._session.run(self._output, feed)[0]
        except Exception as error:  # onnxruntime has no common base class for its errors
            if self.provider == CUDA and is_out_of_memory(error):
                return self._run_halves(input_ids, attention_mask, error)
            raise self._failure(error) from error
        shape = (len(input_ids), self._labels)
        if logits.shape != shape or not np.isfinite(logits).all():
            raise BundleIntegrityError(f"{self.file} gave no finite logits of shape {shape}; export the bundle again")
        return logits

    def _feed(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return the inputs of the graph by name."""
        if self._is_packed:
            return pack_rows(input_ids, attention_mask)
        return dict(zip(self._inputs, (input_ids, attention_mask), strict=True))

    def _run_halves(
        self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64], error: Exception
    ) -> NDArray[np.float32]:
        """Run a batch that ran out of memory as two, and let no later batch be larger than these."""
        rows, width = input_ids.shape
        if rows == 1:
            raise SpamEdgeError(
                f"the memory of the GPU does not hold {self.file} and one message of {width} tokens "
                f"({reason_of(error)}); end other programs on the GPU, or use the CPU"
            ) from error
        self.token_budget = min(self.token_budget, max(1, input_ids.size // 2))
        halves = []
        for half in (slice(rows // 2), slice(rows // 2, None)):
            longest = int(attention_mask[half].sum(axis=1).max())
            halves.append(self.run(input_ids[half, :longest], attention_mask[half, :longest]))
        return np.concatenate(halves)

    @cached_property
    def _pool(self) -> "ThreadPoolExecutor":
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - keeps start-up fast for one message

        return ThreadPoolExecutor(self.threads, "spam-edge")

    def _failure(self, error: Exception) -> SpamEdgeError:
        """Return the error of a run as one of ours. An input that the model refuses does not fit the manifest."""
        reason = reason_of(error)
        if "INVALID_ARGUMENT" in reason:
            return BundleIntegrityError(f"{self.file} refuses its input ({reason}); export the bundle again")
        return SpamEdgeError(f"{self.file} cannot be run ({reason}); use a smaller token budget or another variant")

    def _try_out(self) -> None:
        """Run one row: session creation can succeed on a device whose kernels then fail."""
        ids = np.zeros((1, 2), dtype=np.int64)
        try:
            self.run(ids, np.ones_like(ids))
        except Exception as error:
            cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
            raise ProviderUnavailableError(
                f"CUDA was requested, but the model does not run on it ({reason_of(cause)}); use the CPU"
            ) from error


def open_session(bundle: Bundle, options: RuntimeOptions, contents: Contents | None = None) -> Session:
    """Open a session for the device and variant of the options.

    Args:
        bundle: the bundle.
        options: the runtime options.
        contents: the files of the bundle as :func:`begin_to_read` returns them; by default they are read now.

    Raises:
        OptionError: ``$SPAM_EDGE_INSTRUCTION_SET`` names an instruction set that was not detected.
        ProviderUnavailableError: onnxruntime is missing or installed twice, the device cannot be used, or the
            bundle has no file for it.
        BundleIntegrityError: the file was changed after the export or is not an ONNX model.
    """
    contents = contents or begin_to_read(bundle, options)
    if options.device == "cpu":
        return _open_on(CPU, bundle, options, contents)
    refuse_two_engines()
    if options.device == "cuda":
        return _open_on(CUDA, bundle, options, contents)
    if offers_cuda():
        try:
            return _open_on(CUDA, bundle, options, contents)
        except ProviderUnavailableError:
            pass  # `auto` falls back to the CPU; `info` shows the provider in use
    return _open_on(CPU, bundle, options, contents)


def begin_to_read(bundle: Bundle, options: RuntimeOptions) -> Contents:
    """Start to read the files for the CPU, the common case. Other files are read when they are opened."""
    ahead: tuple[str, ...] = ()
    with_path = True
    with suppress(ProviderUnavailableError):  # raised when the file is opened
        variants = bundle.manifest.variants
        # onnxruntime is imported meanwhile, so it cannot be asked yet whether the fused operator runs
        variant = variants[_choose(variants, CPU, options.variant, unsuited_reason)]
        file, _ = _choose_file(variant, CPU)
        with_path = not variant.fused
        ahead = (file, *([variant.weights or ""] if file == variant.file else [variant.file]))
    return Contents(bundle, verify=options.verify, ahead=filter(None, ahead), with_path=with_path)


def _read_graph(bundle: Bundle, contents: Contents, file: str, *, fused: bool) -> Graph:
    """Read a graph. One for the fused operator is kept: a forked process shares the weights, which lie in place."""
    folder = posixpath.dirname(file)

    def read() -> Graph:
        return Graph.read(
            bundle.file(file),
            lambda name: contents.read(posixpath.join(folder, name), with_path=not fused),
            fused=fused,
        )

    if not fused:
        return read()
    return contents.once((file, library()), lambda: pack_weights(read(), library()))


def resolve_options(bundle: Bundle, options: RuntimeOptions) -> tuple[RuntimeOptions, str]:
    """Resolve ``auto`` in device and variant, so that all workers given the options run the same file.

    Returns:
        The resolved options, and the path inside the bundle of the ONNX file that they select on this processor.

    Raises:
        OptionError: as :func:`open_session`.
        ProviderUnavailableError: as :func:`open_session`.
    """
    provider = CUDA if options.device == "cuda" else CPU
    if options.device == "auto":
        refuse_two_engines()
        if offers_cuda():
            provider = open_session(bundle, options).provider  # only a session shows whether CUDA works
    variants = bundle.manifest.variants
    variant = choose_variant(variants, provider, options.variant)
    device = "cuda" if provider == CUDA else "cpu"
    return replace(options, device=device, variant=variant), _choose_file(variants[variant], provider)[0]


def choose_variant(variants: Mapping[str, Variant], provider: str, wanted: str) -> str:
    """Choose the variant for a provider.

    A named variant is used or refused. ``auto`` takes the first variant whose first provider this is, else the first
    that runs on it, and skips the fused variant where its operator cannot run. On a CPU that computes in fp16, it skips
    variants that are made for CUDA: the export measures them with sums in fp32.

    Raises:
        OptionError: as :func:`open_session`.
        ProviderUnavailableError: the bundle lacks the variant, it does not run on this provider or machine, or
            onnxruntime is missing.
    """
    return _choose(variants, provider, wanted, unavailable_reason)


def default_token_budget(file: Variant, provider: str) -> int:
    """Return the default maximum tokens per batch for a file on a provider."""
    if provider == CUDA:
        return CUDA_TOKEN_BUDGET
    return FUSED_TOKEN_BUDGET if file.fused else TOKEN_BUDGET


def _choose_file(variant: Variant, provider: str) -> tuple[str, str]:
    """Return the file of a variant that is exact on this processor, and its graph optimisation level."""
    if provider == CPU and variant.without_vnni is not None and this_processor().saturates:
        return variant.without_vnni, "basic"  # folds the conversion of the weights to uint8
    if provider == CUDA and variant.packed is not None:
        return variant.packed, variant.optimization
    return variant.file, variant.optimization


def _choose(variants: Mapping[str, Variant], provider: str, wanted: str, reason_against: Callable[[], str]) -> str:
    """Choose as :func:`choose_variant`; ``reason_against`` returns why the fused operator cannot run."""
    device = "CUDA" if provider == CUDA else "the CPU"
    if wanted != "auto":
        if wanted not in variants:
            raise ProviderUnavailableError(f"this bundle has no {wanted} file; it has {', '.join(variants)}")
        if provider not in variants[wanted].providers:
            raise ProviderUnavailableError(f"the {wanted} file does not support {device}; leave the variant at auto")
        if variants[wanted].fused and (reason := reason_against()):
            raise ProviderUnavailableError(f"{reason}; leave the variant at auto")
        return wanted
    own = provider == CPU and this_processor().computes_in_fp16
    usable = [
        name
        for name, variant in variants.items()
        if provider in (variant.providers[:1] if own else variant.providers)
        and not (variant.fused and reason_against())
    ]
    if not usable:
        raise ProviderUnavailableError(f"this bundle has no file for {device}; it has {', '.join(variants)}")
    return next((name for name in usable if variants[name].providers[0] == provider), usable[0])


def _open_on(provider: str, bundle: Bundle, options: RuntimeOptions, contents: Contents) -> Session:
    variant = choose_variant(bundle.manifest.variants, provider, options.variant)
    import_onnxruntime()
    return Session(bundle, contents, variant=variant, provider=provider, options=options)
