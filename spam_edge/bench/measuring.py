"""Measure settings in interleaved rounds, so that background load affects all of them alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from spam_edge.bench.figures import Figures
from spam_edge.bench.workload import Workload
from spam_edge.classifier import SpamClassifier
from spam_edge.options import RuntimeOptions

_WARM_UP = 8  # messages per thread in the first warm-up call
_WARM = 0.25  # fraction of a turn that the last warm-up call takes, enough to estimate the throughput
_CALL_SHARE = 0.85  # fraction of a turn for the large call; the rest is for single messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Shape of a turn: one contender's part of a round.

    Attributes:
        rounds: target number of rounds; slow machines run fewer, fast ones may run more.
        per_thread: minimum messages per thread and call: in small calls, threads idle during the last batch, and
            messages of different length share a batch.
        singles: messages classified one by one per turn.
    """

    rounds: int
    per_thread: int
    singles: int


@dataclass(slots=True)
class Contender:
    """One setting under measurement.

    Attributes:
        classifier: opened with the setting.
        options: as in :class:`Figures`.
        threads: as in :class:`Figures`.
        token_budget: as in :class:`Figures`.
        step: stride between the messages of a call.
        rates: as in :class:`Figures`.
        milliseconds: as in :class:`Figures`.
    """

    classifier: SpamClassifier
    options: RuntimeOptions
    threads: int
    token_budget: int
    step: int = 1
    rates: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)

    def warm_up(self, workload: Workload, seconds: float) -> float:
        """Run uncounted calls of doubling size until one takes ``seconds``.

        Returns:
            Throughput of the largest call, in messages per second.
        """
        count, size = len(workload.texts), _WARM_UP * self.threads
        rate = self._call(workload, max(1, count // size), 0)
        while size < count and size < seconds * rate:
            size *= 2
            rate = self._call(workload, max(1, count // size), 0)
        # Disturbances only slow a call down, so the faster of two is the better estimate.
        return max(rate, self._call(workload, max(1, count // size), 1))

    def turn(self, workload: Workload, number: int, singles: int) -> None:
        """Measure one large call, then ``singles`` messages one by one."""
        self.rates.append(self._call(workload, self.step, number))
        for text in workload.singles(singles, number):
            start = perf_counter()
            self.classifier.classify(text)
            self.milliseconds.append(1000 * (perf_counter() - start))

    def figures(self, workload: Workload) -> Figures:
        """Return the measurements, without the classifier and its memory."""
        return Figures(
            options=self.options,
            variant=self.classifier.variant,
            threads=self.threads,
            token_budget=self.token_budget,
            call=len(workload.texts) // self.step,
            rates=tuple(self.rates),
            milliseconds=tuple(self.milliseconds),
        )

    def _call(self, workload: Workload, step: int, number: int) -> float:
        # Calls of equal size differ in tokens, so throughput is normalised to messages of mean length.
        texts, amount = workload.call(step, number)
        start = perf_counter()
        self.classifier.classify_batch(texts)
        return amount / (perf_counter() - start)


def run_rounds(
    contenders: Sequence[Contender],
    workload: Workload,
    turns: Turns,
    *,
    until: float,
    tick: Callable[[], None],
    rate: float | None = None,
) -> list[Figures]:
    """Run rounds in which each contender takes one turn.

    At least one round runs, and a further one if at least half of it fits into the time. Slow settings get smaller
    calls, so that turns take about equally long. Every second round runs in reverse order.

    Args:
        contenders: settings to measure.
        workload: messages to measure with.
        turns: shape of a turn.
        until: deadline, on the clock of :func:`time.perf_counter`.
        tick: called after each warm-up and each turn.
        rate: throughput in messages per second, if known; all settings then get calls of the same size.

    Returns:
        Figures of each contender, in order.
    """
    # The warm-up takes about half a round.
    seconds = (until - perf_counter()) / len(contenders) / (turns.rounds + 0.5) * _CALL_SHARE
    for contender in contenders:
        found = contender.warm_up(workload, _WARM * seconds if rate is None else 0.0)
        wanted = max((rate or found) * seconds, turns.per_thread * contender.threads)
        contender.step = max(1, int(len(workload.texts) / wanted))
        tick()
    number, took = 0, 0.0
    while not number or perf_counter() + took / 2 <= until:
        start = perf_counter()
        for contender in contenders[:: -1 if number % 2 else 1]:
            contender.turn(workload, number, turns.singles)
            tick()
        number, took = number + 1, perf_counter() - start
    return [contender.figures(workload) for contender in contenders]
