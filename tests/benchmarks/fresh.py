"""Run a function in a new process, where nothing measured earlier is still in memory."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from spam_edge import SpamClassifier

_STATM = Path("/proc/self/statm")

P = ParamSpec("P")
T = TypeVar("T")


def in_fresh_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the result of a module-level function run in a new interpreter; its exceptions are raised here."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def resident_memory() -> int:
    """Return the resident memory of this process in bytes.

    Raises:
        OSError: the system has no ``/proc``.
    """
    import resource

    return int(_STATM.read_text().split()[1]) * resource.getpagesize()


def identify(classifier: "SpamClassifier") -> dict[str, str]:
    """Return the model, variant, provider and threads of a measurement."""
    description = classifier.describe()
    return {name: str(description[name]) for name in ("name", "digest", "variant", "provider", "threads")}
