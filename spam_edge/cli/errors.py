"""How a command ends: expected errors as one line, and exit codes."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from spam_edge.cli.console import note
from spam_edge.errors import SpamEdgeError
from spam_edge.escapes import one_line
from spam_edge.signals import raised_signals

INTERRUPTED = 130
"""Exit code after Ctrl-C."""
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC))
_NO_THREAD = "can't start new thread"


class ErrorGroup(click.Group):
    """Reports expected errors as one line and an exit code."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Parse the arguments of the group."""
        with _one_line_errors():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. Exit codes: 0 after a broken pipe, 130, 143 and 129 after a signal, 1 after an error."""
        with _one_line_errors():
            return self._invoke(ctx)

    def _invoke(self, ctx: click.Context) -> Any:
        try:
            with raised_signals():
                # OpenBLAS starts threads that nothing here uses, and interrupts the process if it cannot.
                os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
                return super().invoke(ctx)
        except BrokenPipeError:
            # The reader closed the pipe. Redirect stdout, so that flushing it at shutdown does not fail.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except KeyboardInterrupt:
            note("")  # the terminal has printed ^C
            note("Interrupted")
            ctx.exit(INTERRUPTED)
        except SpamEdgeError as error:
            raise click.ClickException(str(error)) from error
        except MemoryError as error:
            raise click.ClickException("the memory does not suffice; use fewer workers or threads") from error
        except RuntimeError as error:
            if str(error) != _NO_THREAD:
                raise
            raise click.ClickException("the system refuses a thread; raise the limit of processes") from error


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Escape the messages of errors, which quote arguments and file names."""
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:  # its message is the help
        raise
    except click.ClickException as error:
        error.message = one_line(error.message)  # type: ignore[misc]  # each kind formats it in its own way
        raise
    except OSError as error:
        raise click.ClickException(one_line(_named(error))) from error


def _named(error: OSError) -> str:
    """Return the text of an error with the name of its file: writes to standard output alone have none."""
    full = error.filename is None and error.errno in _FULL
    return f"standard output cannot be written ({error.strerror})" if full else str(error)
