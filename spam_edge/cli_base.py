"""What the commands share: errors as exit codes, options of the runtime and the readers, examples in the help."""

import functools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spam_edge.errors import SpamEdgeError
from spam_edge.records import FORMATS

if TYPE_CHECKING:
    from spam_edge.session import RuntimeOptions

INTERRUPTED = 130


class ErrorGroup(click.Group):
    """Turns every error that is not a bug into one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; 0 after a broken pipe, 130 after Ctrl-C, 1 after an error, said in one line."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Whoever read our output has enough. What is left in the buffer must go somewhere at shutdown.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except KeyboardInterrupt:
            click.echo("\nInterrupted", err=True)
            ctx.exit(INTERRUPTED)
        except (SpamEdgeError, OSError) as error:
            raise click.ClickException(" ".join(str(error).split())) from error


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    """The options that every command shares."""

    model: Path | None
    device: str
    variant: str
    threads: int | None
    exact: bool

    def options(self, threshold: float | None = None) -> "RuntimeOptions":
        """Return them as the runtime takes them."""
        from spam_edge.session import RuntimeOptions  # noqa: PLC0415

        try:
            return RuntimeOptions(
                device=self.device,
                variant=self.variant,
                threads=self.threads,
                exact=self.exact,
                threshold=threshold,
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from error


def runtime_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of the runtime; it gets them as ``runtime``."""

    @click.option(
        "--model",
        type=click.Path(path_type=Path),
        help="Bundle folder [default: $SPAM_EDGE_MODEL, else ./artifacts/bundle].",
    )
    @click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda"]),
        default="auto",
        show_default=True,
        help="Where to run; cuda means CUDA or an error.",
    )
    @click.option(
        "--variant",
        type=click.Choice(["auto", "fused", "int8", "fp16", "fp32"]),
        default="auto",
        show_default=True,
        help="Which file of the bundle to run; auto takes the one made for the device.",
    )
    @click.option(
        "--threads",
        type=click.IntRange(min=1),
        help="Threads to keep busy on the CPU [default: the cores this process may use].",
    )
    @click.option(
        "--exact", is_flag=True, help="Decide messages near the threshold with the fp32 file, as PyTorch would."
    )
    @functools.wraps(command)
    def wrapper(model: Path | None, device: str, variant: str, threads: int | None, exact: bool, **others: Any) -> None:
        command(runtime=RuntimeChoice(model, device, variant, threads, exact), **others)

    return wrapper


def reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of the readers; it gets them under the names of ``ReadOptions``."""
    options = (
        click.option(
            "--input-format",
            type=click.Choice(FORMATS),
            help="Read all inputs so [default: by suffix, else text].",
        ),
        click.option(
            "--text-column",
            metavar="NAME",
            help="Column (or JSON key) of the text [default: the only one, else text, message, sms or body].",
        ),
        click.option(
            "--encoding", default="utf-8", show_default=True, metavar="NAME", help="How the inputs are encoded."
        ),
    )
    for option in reversed(options):  # the last one that is added comes first in the help
        command = option(command)
    return command


def examples(*lines: str) -> str:
    """Return an epilog that click leaves as it is."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])
