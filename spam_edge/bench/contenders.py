"""Open the settings to measure: variants and thread counts, then token budgets."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from spam_edge.bench.figures import Figures
from spam_edge.bench.measuring import Contender
from spam_edge.bundle.locate import Bundle
from spam_edge.bundle.manifest import Variant
from spam_edge.classifier import SpamClassifier
from spam_edge.errors import ProviderUnavailableError
from spam_edge.options import RuntimeOptions
from spam_edge.runtime.custom_operator import unavailable_reason
from spam_edge.runtime.providers import CPU, CUDA
from spam_edge.runtime.session import default_token_budget

_BUDGETS = (0.5, 1, 2, 4)  # multiples of the default token budget


def thread_counts(available: int) -> list[int]:
    """Return the powers of two below ``available``, then ``available``."""
    return [*(1 << power for power in range((available - 1).bit_length())), available]


def why_skipped(name: str, variant: Variant, provider: str) -> str | None:
    """Return why a variant other than the default is not measured; None if it is."""
    if provider not in variant.providers:
        return f"does not support {'CUDA' if provider == CUDA else 'the CPU'}"
    if provider == CUDA:
        return None
    if variant.fused and (reason := unavailable_reason()):
        return reason
    if variant.providers[0] != CPU:
        return f"intended for CUDA; --variant {name} measures it on the CPU"
    return None


@dataclass(frozen=True, slots=True)
class Defaults:
    """The default settings, from which all measured settings are derived.

    Attributes:
        bundle: the bundle to measure.
        options: the options given; options that differ from their default are not varied.
        provider: execution provider of all measurements.
        variant: model variant.
        threads: concurrent inferences.
    """

    bundle: Bundle
    options: RuntimeOptions
    provider: str
    variant: str
    threads: int

    @classmethod
    def of(cls, classifier: SpamClassifier) -> Self:
        """Read the defaults from a classifier opened with the options given."""
        threads = classifier.threads if classifier.provider == CPU else 1  # a GPU runs one batch at a time
        return cls(classifier.bundle, classifier.options, classifier.provider, classifier.variant, threads)

    def open_settings(self, tick: Callable[[], None]) -> tuple[list[Contender], dict[str, str]]:
        """Open each variant with each thread count.

        Returns:
            The contenders, and the reason for each variant that was skipped.
        """
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
                    verify = name != self.variant and threads == counts[0]  # once per file
                    contenders.append(self._open(name, threads, self.options.token_budget, verify=verify))
                    tick()
            except ProviderUnavailableError as error:  # only this variant fails: the default variant runs here
                skipped[name] = str(error)
        return contenders, skipped

    def open_budgets(self, best: Figures, tick: Callable[[], None]) -> list[Contender]:
        """Open the best setting with each token budget."""
        factors = _BUDGETS if self.options.token_budget is None else (1,)
        contenders = []
        for factor in factors:
            budget = self.options.token_budget if factor == 1 else int(factor * best.token_budget)
            contenders.append(self._open(best.variant, best.threads, budget, verify=False))
            tick()
        return contenders

    def _open(self, variant: str, threads: int, token_budget: int | None, *, verify: bool) -> Contender:
        given = self.options
        options = replace(  # report defaults as defaults, not as the values that they resolve to on this machine
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
