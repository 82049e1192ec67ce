"""Which settings are fastest on this machine: first the file and the threads, then how large batches are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from spam_edge.bench.contenders import Defaults
from spam_edge.bench.figures import Choice, Figures, choose
from spam_edge.bench.measuring import Turns, run_rounds
from spam_edge.bench.workload import Workload
from spam_edge.bundle import Bundle
from spam_edge.classifier import SpamClassifier
from spam_edge.session import RuntimeOptions
from spam_edge.threads import available_threads

_SHARE_OF_SETTINGS = 0.36  # of the time; the rest is for the token budgets
_SETTING_TURNS = Turns(rounds=4, per_thread=16, singles=10)
_BUDGET_TURNS = Turns(rounds=3, per_thread=128, singles=0)
_FLAGS = ("device", "variant", "threads")
_SETTABLE = (*_FLAGS, "token_budget", "exact")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchReport:
    """What was measured on this machine, and what follows from it.

    Attributes:
        description: what runs here by default; see :meth:`spam_edge.classifier.SpamClassifier.describe`.
        source: where the messages come from.
        workload: the messages.
        settings: file and threads.
        token_budgets: how large batches are, with the best of the settings.
        skipped: why a file was not measured, by variant.
        budget: seconds that were allowed.
        seconds: seconds that it took.
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
        """What was measured of the best settings."""
        return self.token_budgets.best

    @property
    def reasons(self) -> list[str]:
        """Why these are the best, a sentence for each choice."""
        return [self.settings.reason, self.token_budgets.reason]

    @property
    def flags(self) -> list[str]:
        """The best settings for ``spam-edge classify``, as far as it has options for them."""
        changed = self._changed()
        flags = [part for name in _FLAGS if name in changed for part in (f"--{name}", str(changed[name]))]
        return [*flags, "--exact"] if "exact" in changed else flags

    @property
    def expression(self) -> str:
        """The best settings in Python."""
        quoted = {name: f'"{value}"' if isinstance(value, str) else value for name, value in self._changed().items()}
        return f"RuntimeOptions({', '.join(f'{name}={value}' for name, value in quoted.items())})"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; ``RuntimeOptions(**report["best"])`` are the best settings."""
        description = self.description
        return {
            "bundle": {name: description[name] for name in ("bundle", "name", "version", "digest")},
            "machine": {
                "processor": description["processor"],
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
        """The best settings that are not the defaults."""
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
    """Measure variants, threads and token budgets, as far as ``options`` leave them open.

    Args:
        bundle: what to measure.
        options: the device, and whatever is not to be varied: what differs from the defaults stays as it is.
        texts: messages to measure with.
        source: where they come from, for people.
        seconds: how long it may take; one round of everything is measured in any case.
        progress: is told again and again how many seconds have passed since the last time.

    Raises:
        InputError: there are no messages.
        BundleIntegrityError: a file was changed or is no ONNX model.
        ProviderUnavailableError: onnxruntime or the device asked for is not usable.
    """
    start = perf_counter()
    tick = _ticker(progress or (lambda _: None), start)
    classifier = SpamClassifier(bundle, options)
    defaults, description = Defaults.of(classifier), classifier.describe()
    workload = Workload.build(texts, classifier.token_ids)
    del classifier  # and so on: a model that is not measured any more need not stay in memory
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
    """Return a function that tells ``progress`` how much time has passed since it was last called."""
    told = start

    def tick() -> None:
        nonlocal told
        before, told = told, perf_counter()
        progress(told - before)

    return tick
