"""What the commands share: errors as exit codes, options of the runtime and the readers, examples in the help."""

import functools
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from spam_edge.console import Console
from spam_edge.errors import SpamEdgeError
from spam_edge.notes import notes
from spam_edge.records import FORMATS, STDIN, ReadOptions, size_of

if TYPE_CHECKING:
    from spam_edge.manifest import Manifest
    from spam_edge.operating_points import OperatingPoint
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionChoice:
    """The options that say what is called spam."""

    threshold: float | None = None
    mode: str | None = None
    max_fpr: float | None = None
    max_fpr_unproven: bool = False
    unsure: bool = False

    def note(self, point: "OperatingPoint", manifest: "Manifest") -> None:
        """Say on standard error what was measured of the threshold that was asked for."""
        for line in notes(point, manifest, mode=self.mode, max_fpr=self.max_fpr):
            click.echo(line, err=True)


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    """The options that every command shares."""

    model: Path | None
    device: str
    variant: str
    threads: int | None
    exact: bool

    def options(self, decision: DecisionChoice | None = None) -> "RuntimeOptions":
        """Return them as the runtime takes them."""
        from spam_edge.session import RuntimeOptions  # noqa: PLC0415

        try:
            return RuntimeOptions(
                device=self.device,
                variant=self.variant,
                threads=self.threads,
                exact=self.exact,
                **asdict(decision or DecisionChoice()),
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


def decision_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say what is called spam; it gets them as ``decision``."""

    @click.option(
        "--threshold",
        type=click.FloatRange(0, 1),
        help="Lowest score that is called spam [default: the one shipped in the bundle].",
    )
    @click.option(
        "--mode",
        metavar="NAME",
        help="Take another threshold of the bundle: low-false-positive, balanced or high-recall (see info).",
    )
    @click.option(
        "--max-fpr",
        type=click.FloatRange(0, 1),
        metavar="RATE",
        help="Take the lowest threshold of which the validation ham show, with 95 % confidence, that it calls at most "
        "this share of ham spam, such as 0.01.",
    )
    @click.option(
        "--max-fpr-unproven",
        is_flag=True,
        help="Estimate the threshold of --max-fpr where there is too little validation ham to show it.",
    )
    @click.option(
        "--unsure",
        is_flag=True,
        help="Say UNSURE between the thresholds of high-recall and low-false-positive.",
    )
    @functools.wraps(command)
    def wrapper(
        threshold: float | None,
        mode: str | None,
        max_fpr: float | None,
        max_fpr_unproven: bool,
        unsure: bool,
        **others: Any,
    ) -> None:
        decision = DecisionChoice(
            threshold=threshold, mode=mode, max_fpr=max_fpr, max_fpr_unproven=max_fpr_unproven, unsure=unsure
        )
        command(decision=decision, **others)

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


def checked_reading(**options: Any) -> ReadOptions:
    """Return how inputs are read, as the options of a command say."""
    if options["whole_file"] and options["input_format"] not in (None, "text"):
        raise click.UsageError("--whole-file takes a file as it is: it cannot be combined with --input-format")
    return ReadOptions(**options)


def reading_bar(paths: Sequence[Path], reading: ReadOptions) -> Console:
    """Return a bar over the bytes of all inputs, where a person sees it and it is known how many there are."""
    sizes = [size_of(path, reading) for path in paths]
    if not is_terminal(sys.stderr) or None in sizes:
        return Console()
    return Console(sum(size for size in sizes if size is not None))


def hint_at_keyboard(paths: Sequence[Path | None]) -> None:
    """Tell whoever started the command without an input that it waits for one."""
    if STDIN in paths and is_terminal(sys.stdin):
        click.echo("reading messages from the keyboard, one per line; end with Ctrl-D", err=True)


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether a person sees what is written there."""
    return stream is not None and stream.isatty()  # a stream that the shell closed is None
