"""Find the fastest settings on this machine: first variant and threads, then the token budget."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from spam_edge.bench.contenders import Defaults
from spam_edge.bench.figures import Choice, Figures, choose
from spam_edge.bench.measuring import Turns, run_rounds
from spam_edge.bench.workload import Workload
from spam_edge.bundle.locate import Bundle
from spam_edge.classifier import SpamClassifier
from spam_edge.options import RuntimeOptions
from spam_edge.resources import available_threads

_SHARE_OF_SETTINGS = 0.36  # fraction of the time for variants and threads; the rest is for token budgets
_SETTING_TURNS = Turns(rounds=4, per_thread=16, singles=10)
_BUDGET_TURNS = Turns(rounds=3, per_thread=128, singles=0)
_FLAGS = ("device", "variant", "threads")
_SETTABLE = (*_FLAGS, "token_budget", "exact")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchReport:
    """Measurements on this machine, and the settings that they recommend.

    Attributes:
        description: the default settings; see :meth:`spam_edge.classifier.SpamClassifier.describe`.
        source: origin of the messages, human-readable.
        workload: the messages.
        settings: choice of variant and threads.
        token_budgets: choice of the token budget, with the best variant and threads.
        skipped: reason by variant that was not measured.
        budget: seconds allowed.
        seconds: seconds taken.
    """

    description: Mapping[str, Any]
    source: str
    workload: Workload
    settings: Choice
    token_budgets: Choice
    skipped: Mapping[str, str]
    budget: float
    seconds: float

    @property
    def best(self) -> Figures:
        """The figures of the best settings."""
        return self.token_budgets.best

    @property
    def reasons(self) -> list[str]:
        """The reason for each choice."""
        return [self.settings.reason, self.token_budgets.reason]

    @property
    def flags(self) -> list[str]:
        """The best settings as options of ``spam-edge classify``, which has none for the token budget."""
        changed = self._changed()
        flags = [part for name in _FLAGS if name in changed for part in (f"--{name}", str(changed[name]))]
        return [*flags, "--exact"] if "exact" in changed else flags

    @property
    def expression(self) -> str:
        """The best settings as a Python expression."""
        quoted = {name: f'"{value}"' if isinstance(value, str) else value for name, value in self._changed().items()}
        return f"RuntimeOptions({', '.join(f'{name}={value}' for name, value in quoted.items())})"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; ``RuntimeOptions(**report["best"])`` builds the best settings."""
        description = self.description
        return {
            "bundle": {name: description[name] for name in ("bundle", "name", "version", "digest")},
            "machine": {
                "processor": description["processor"],
                "instructions": description["instructions"],
                "provider": description["provider"],
                "threads": available_threads(),
                "versions": description["versions"],
            },
            "messages": {
                "source": self.source,
                "given": self.workload.given,
                "measured": len(self.workload.texts),
                "mean_tokens": round(self.workload.mean_tokens, 2),
            },
            "seconds": {"budget": self.budget, "taken": round(self.seconds, 2)},
            "settings": [figures.to_dict() for figures in self.settings.measured],
            "token_budgets": [figures.to_dict() for figures in self.token_budgets.measured],
            "skipped": dict(self.skipped),
            "reasons": self.reasons,
            "best": {name: getattr(self.best.options, name) for name in _SETTABLE},
            "best_measured": self.best.to_dict(),
        }

    def _changed(self) -> dict[str, Any]:
        """Return the best settings that differ from the defaults."""
        best, default = self.best.options, RuntimeOptions()
        values = {name: getattr(best, name) for name in _SETTABLE}
        return {name: value for name, value in values.items() if value != getattr(default, name)}


def run_bench(
    bundle: Bundle,
    options: RuntimeOptions,
    texts: Sequence[str],
    *,
    source: str,
    seconds: float,
    progress: Callable[[float], None] | None = None,
) -> BenchReport:
    """Measure variants, thread counts and token budgets that ``options`` leave at their defaults.

    Args:
        bundle: bundle to measure.
        options: the device, and options to keep fixed: those that differ from their defaults.
        texts: messages to measure with.
        source: origin of the messages, human-readable.
        seconds: time limit; one round of all settings runs in any case.
        progress: called repeatedly with the seconds since its last call.

    Raises:
        InputError: there are no messages.
        BundleIntegrityError: a file was changed after the export or is not an ONNX model.
        ProviderUnavailableError: onnxruntime or the device is not usable.
    """
    start = perf_counter()
    tick = _ticker(progress or (lambda _: None), start)
    classifier = SpamClassifier(bundle, options)
    defaults, description = Defaults.of(classifier), classifier.describe()
    workload = Workload.build(texts, classifier.token_ids)
    del classifier  # free each model once it is measured
    contenders, skipped = defaults.open_settings(tick)
    until = start + _SHARE_OF_SETTINGS * seconds
    measured = run_rounds(contenders, workload, _SETTING_TURNS, until=until, tick=tick)
    del contenders
    settings = choose(measured, options, lambda figures: figures.setting)
    contenders = defaults.open_budgets(settings.best, tick)
    rate = settings.best.rate
    measured = run_rounds(contenders, workload, _BUDGET_TURNS, until=start + seconds, tick=tick, rate=rate)
    token_budgets = choose(measured, settings.best.options, lambda figures: figures.budget)
    return BenchReport(
        description=description,
        source=source,
        workload=workload,
        settings=settings,
        token_budgets=token_budgets,
        skipped=skipped,
        budget=seconds,
        seconds=perf_counter() - start,
    )


def _ticker(progress: Callable[[float], None], start: float) -> Callable[[], None]:
    """Return a function that calls ``progress`` with the seconds since its last call."""
    told = start

    def tick() -> None:
        nonlocal told
        before, told = told, perf_counter()
        progress(told - before)

    return tick
