"""What a person sees on standard error while a run goes on: notes and a progress bar."""

import sys
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self

import click

_ERASE_LINE = "\r\x1b[K"


class Console(AbstractContextManager["Console"]):
    """Notes, and a bar when it is known how much there is to do; see :class:`spam_edge.screening.Watcher`."""

    def __init__(self, total: int | None = None, *, label: str = "Reading") -> None:
        """Prepare a bar over ``total`` bytes, or whatever ``label`` says; without it there are only notes."""
        self._bar: Any = None
        if total is not None:
            self._bar = click.progressbar(
                length=total, label=label, file=sys.stderr, item_show_func=lambda detail: detail
            )

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)

    def note(self, line: str) -> None:
        """Print a line, clear of the bar."""
        click.echo(line if self._bar is None else _ERASE_LINE + line, err=True)

    def advance(self, count: int, detail: str | None = None) -> None:
        """Move the bar on, and say at its end what there is to say."""
        if self._bar is not None:
            self._bar.update(count, detail)
