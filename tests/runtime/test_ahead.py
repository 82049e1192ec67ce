"""Computing one result ahead: order of results and errors, and systems that refuse threads."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from spam_edge.runtime.ahead import one_ahead


def test_exactly_one_result_is_computed_ahead() -> None:
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


def test_empty_input_yields_no_results() -> None:
    assert list(one_ahead(str, [])) == []


def test_errors_are_raised_after_preceding_results() -> None:
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


def test_results_are_computed_without_worker_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(ThreadPoolExecutor, "submit", refuse)
    assert list(one_ahead(str, range(3))) == ["0", "1", "2"]
