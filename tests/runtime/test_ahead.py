"""Results one ahead: order, errors in their turn, and systems without a thread."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from spam_edge.runtime.ahead import one_ahead


def test_the_next_result_is_computed_while_one_is_used() -> None:
    begun = [threading.Event() for _ in range(4)]

    def square(number: int) -> int:
        begun[number].set()
        return number**2

    results = one_ahead(square, iter(range(4)))
    for number in range(4):
        assert next(results) == number**2
        assert begun[min(number + 1, 3)].wait(60)
        assert not any(event.is_set() for event in begun[number + 2 :])
    assert list(results) == []


def test_nothing_gives_nothing() -> None:
    assert list(one_ahead(str, [])) == []


def test_errors_are_raised_after_the_results_before_them() -> None:
    def items() -> Iterator[int]:
        yield 4
        yield 0
        raise ValueError("no more items")

    seen: list[float] = []
    with pytest.raises(ZeroDivisionError):
        seen.extend(one_ahead(lambda number: 8 / number, items()))
    assert seen == [2.0]
    with pytest.raises(ValueError, match="no more items"):
        for result in one_ahead(float, items()):
            seen.append(result)
    assert seen == [2.0, 4.0, 0.0]


def test_without_a_thread_results_are_computed_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(ThreadPoolExecutor, "submit", refuse)
    assert list(one_ahead(str, range(3))) == ["0", "1", "2"]
