"""Open the settings that are to be measured: files and threads, then token budgets."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from spam_edge.bench.figures import Figures
from spam_edge.bench.measuring import Contender
from spam_edge.bundle import Bundle
from spam_edge.classifier import SpamClassifier
from spam_edge.engine import CPU, CUDA
from spam_edge.errors import ProviderUnavailableError
from spam_edge.fused import obstacle
from spam_edge.manifest import Variant
from spam_edge.session import RuntimeOptions, default_token_budget

_BUDGETS = (0.5, 1, 2, 4)  # in relation to the default one


def thread_counts(available: int) -> list[int]:
    """Return the powers of two below ``available``, and that."""
    return [*(1 << power for power in range((available - 1).bit_length())), available]


def why_skipped(name: str, variant: Variant, provider: str) -> str | None:
    """Say why a file that is not the default one need not be measured; None if it has to be."""
    if provider not in variant.providers:
        return f"not meant for {'CUDA' if provider == CUDA else 'the CPU'}"
    if provider == CUDA:
        return None
    if variant.fused and (reason := obstacle()):
        return reason
    if variant.providers[0] != CPU:
        return f"made for CUDA, which is not used here; --variant {name} measures it all the same"
    return None


@dataclass(frozen=True, slots=True)
class Defaults:
    """What runs if nobody chooses, and what all that is measured starts from.

    Attributes:
        bundle: the model.
        options: as they were given; what they fix is not varied.
        provider: onnxruntime execution provider; everything is measured on this one.
        variant: name of the ONNX file.
        threads: inferences side by side.
    """

    bundle: Bundle
    options: RuntimeOptions
    provider: str
    variant: str
    threads: int

    @classmethod
    def of(cls, classifier: SpamClassifier) -> Self:
        """Look at a classifier that was opened with the options as they were given."""
        threads = classifier.threads if classifier.provider == CPU else 1  # a GPU runs one batch after the other
        return cls(classifier.bundle, classifier.options, classifier.provider, classifier.variant, threads)

    def open_settings(self, tick: Callable[[], None]) -> tuple[list[Contender], dict[str, str]]:
        """Open each variant with each number of threads; return also what was left out, and why."""
        contenders: list[Contender] = []
        skipped: dict[str, str] = {}
        variants = self.bundle.manifest.variants
        varied = self.provider == CPU and self.options.threads is None
        counts = thread_counts(self.threads) if varied else [self.threads]
        for name in variants if self.options.variant == "auto" else [self.variant]:
            reason = None if name == self.variant else why_skipped(name, variants[name], self.provider)
            if reason is not None:
                skipped[name] = reason
                continue
            try:
                for threads in counts:
                    verify = name != self.variant and threads == counts[0]  # once for each file
                    contenders.append(self._open(name, threads, self.options.token_budget, verify=verify))
                    tick()
            except ProviderUnavailableError as error:  # the default runs on this device, this file does not
                skipped[name] = str(error)
        return contenders, skipped

    def open_budgets(self, best: Figures, tick: Callable[[], None]) -> list[Contender]:
        """Open the best of the settings with each token budget."""
        factors = _BUDGETS if self.options.token_budget is None else (1,)
        contenders = []
        for factor in factors:
            budget = self.options.token_budget if factor == 1 else int(factor * best.token_budget)
            contenders.append(self._open(best.variant, best.threads, budget, verify=False))
            tick()
        return contenders

    def _open(self, variant: str, threads: int, token_budget: int | None, *, verify: bool) -> Contender:
        given = self.options
        options = replace(  # what is the default stays "the default": on another day it may be another
            given,
            variant=given.variant if variant == self.variant else variant,
            threads=given.threads if threads == self.threads else threads,
            token_budget=token_budget,
        )
        opening = replace(
            options,
            device="cuda" if self.provider == CUDA else "cpu",
            variant=variant,
            threads=threads,
            verify=verify and given.verify,
        )
        budget = token_budget or default_token_budget(self.bundle.manifest.variants[variant], self.provider)
        return Contender(SpamClassifier(self.bundle, opening), options, threads, budget)
