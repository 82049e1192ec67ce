"""Time settings against each other: they take turns, so that whatever else the machine does meets all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from spam_edge.bench.figures import Figures
from spam_edge.bench.workload import Workload
from spam_edge.classifier import SpamClassifier
from spam_edge.session import RuntimeOptions

_WARM_UP = 8  # messages per thread in the first call, which is not counted, nor are those that follow until it is warm
_WARM = 0.25  # of a turn: a call that takes so long tells how fast the setting is
_CALL_SHARE = 0.85  # of a turn; the rest is for single messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """What a turn is.

    Attributes:
        rounds: how many should fit into the time; slow machines get fewer, and fast ones may get more.
        per_thread: messages per thread that a call has at least: with few, threads wait for the last batch of another,
            and messages of different length share a batch.
        singles: messages that are also classified by themselves.
    """

    rounds: int
    per_thread: int
    singles: int


@dataclass(slots=True)
class Contender:
    """One setting while it is measured.

    Attributes:
        classifier: opened with the setting.
        options: as in :class:`Figures`.
        threads: as in :class:`Figures`.
        token_budget: as in :class:`Figures`.
        step: a call takes every so-many-th message.
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
        """Run calls that do not count, larger and larger ones until one takes ``seconds``.

        Returns:
            Messages per second, of the largest.
        """
        count, size = len(workload.texts), _WARM_UP * self.threads
        rate = self._call(workload, max(1, count // size), 0)
        while size < count and size < seconds * rate:
            size *= 2
            rate = self._call(workload, max(1, count // size), 0)
        # Whatever disturbs a call makes it slower: the faster of two tells more.
        return max(rate, self._call(workload, max(1, count // size), 1))

    def turn(self, workload: Workload, number: int, singles: int) -> None:
        """Measure one call of many messages, and calls of one."""
        self.rates.append(self._call(workload, self.step, number))
        for text in workload.singles(singles, number):
            start = perf_counter()
            self.classifier.classify(text)
            self.milliseconds.append(1000 * (perf_counter() - start))

    def figures(self, workload: Workload) -> Figures:
        """Return what was measured, without the classifier and its memory."""
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
        # Calls of few messages differ in their tokens. To count calls of as many messages alike would be to compare the
        # messages; so they count by their tokens.
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
    """Let every contender take a turn in each round: one round, and further ones of which at least half fits.

    Slow settings get smaller calls, so that turns last about equally long. Each second round goes backwards.

    Args:
        contenders: the settings.
        workload: the messages.
        turns: what a turn is.
        until: when to be done, as :func:`time.perf_counter` counts.
        tick: is called after every turn.
        rate: messages per second, where that is known: calls of all settings are made for it, and so of one size.
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
