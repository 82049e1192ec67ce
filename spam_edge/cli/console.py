"""Everything a command prints: lines, JSON, notes and a progress bar. Unsafe characters are escaped here."""

import io
import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import click

from spam_edge.escapes import one_line, safe_json
from spam_edge.readers.windows import STDIN, ReadOptions, size_of

_ERASE_LINE = "\r\x1b[K"


def standard_output() -> IO[str] | None:
    """Return standard output for UTF-8, which is the encoding of data in every locale; None if it is closed."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    return sys.stdout


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether a stream is a terminal; False for a closed one."""
    return stream is not None and stream.isatty()  # None if the shell closed it


def show(lines: Iterable[str]) -> None:
    """Print lines to standard output, escaped."""
    show_styled(map(one_line, lines))


def show_styled(lines: Iterable[str]) -> None:
    """Print lines whose colours are ours and whose texts are escaped already."""
    click.echo("\n".join(lines), file=standard_output())


def show_json(value: Any) -> None:
    """Print a value as indented JSON."""
    click.echo(safe_json(json.dumps(value, indent=2, ensure_ascii=False)), file=standard_output())


def note(line: str) -> None:
    """Print a line to standard error, escaped."""
    click.echo(one_line(line), err=True)


class Console(AbstractContextManager["Console"]):
    """Prints notes, and a progress bar if the total is known; see :class:`spam_edge.cli.screening.Watcher`."""

    def __init__(self, total: int | None = None, *, label: str = "Reading") -> None:
        """Prepare a bar over ``total`` units, usually bytes; without a total only notes are printed."""
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
        """Print a line without garbling the bar."""
        if self._bar is not None:
            click.echo(_ERASE_LINE, nl=False, err=True)
        note(line)

    def advance(self, count: int, detail: str | None = None) -> None:
        """Advance the bar and show the detail at its end."""
        if self._bar is not None:
            self._bar.update(count, detail)


def reading_bar(paths: Sequence[Path], reading: ReadOptions) -> Console:
    """Return a bar over the bytes of all inputs; without a terminal or a known size, a console without a bar."""
    sizes = [size_of(path, reading) for path in paths]
    if not is_terminal(sys.stderr) or None in sizes:
        return Console()
    return Console(sum(size for size in sizes if size is not None))


def hint_at_keyboard(paths: Sequence[Path | None]) -> None:
    """Print a hint if the command reads from a terminal."""
    if STDIN in paths and is_terminal(sys.stdin):
        note("reading messages from the keyboard, one per line; end with Ctrl-D")
