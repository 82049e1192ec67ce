"""Compute results one ahead of their use, so that the processor works while a GPU does."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NoReturn, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def one_ahead(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Yield the result for each item in order, while a thread computes the next one.

    Items are taken by the thread of the caller, one ahead of the results. What an item or a result raises is raised in
    its turn. If the system refuses a thread, each result is computed when it is asked for.
    """
    source = iter(items)
    with ThreadPoolExecutor(1, "spam-edge-ahead") as pool:
        ahead = _begin(pool, function, source)
        while ahead is not None:
            result = ahead()
            ahead = _begin(pool, function, source)
            yield result


def _begin(pool: ThreadPoolExecutor, function: Callable[[T], R], source: Iterator[T]) -> Callable[[], R] | None:
    """Begin to compute the result for the next item, and return a function that waits for it; None at the end."""
    try:
        item = next(source)
    except StopIteration:
        return None
    except Exception as error:  # raised in its turn, after the results before it
        return partial(_raise, error)
    try:
        return pool.submit(function, item).result
    except RuntimeError:  # the system refuses a thread
        return partial(function, item)


def _raise(error: Exception) -> NoReturn:
    raise error
