"""A function that runs while something else goes on."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar, cast

Result = TypeVar("Result")


class Background(Generic[Result]):
    """A call in a thread of its own. Lighter than an executor, whose import a single message would wait for."""

    def __init__(self, function: Callable[[], Result], *, name: str) -> None:
        """Begin. The thread is called ``spam-edge-`` and the name."""
        self._function = function
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"spam-edge-{name}")
        self._thread.start()

    def result(self) -> Result:
        """Wait for the end, and return the result or raise what the function raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return cast("Result", self._result)

    def _run(self) -> None:
        try:
            self._result = self._function()
        except BaseException as error:  # whatever it is, it belongs to whoever wants the result
            self._error = error
