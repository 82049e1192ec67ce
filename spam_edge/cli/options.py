"""Options that several commands share, those of the runtime and of the readers, and help examples."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spam_edge.cli.console import note
from spam_edge.cli.notes import notes
from spam_edge.errors import OptionError
from spam_edge.options import DEVICES, VARIANTS, RuntimeOptions
from spam_edge.readers.windows import FORMATS, ReadOptions

if TYPE_CHECKING:
    from spam_edge.bundle.locate import Bundle
    from spam_edge.bundle.manifest import Manifest
    from spam_edge.classifier import SpamClassifier
    from spam_edge.decision.operating_points import OperatingPoint


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    """The bundle and the runtime options that a command was given.

    Attributes:
        model: bundle folder, or None for the default one.
        values: fields of ``RuntimeOptions``.
    """

    model: Path | None
    values: Mapping[str, Any]

    @property
    def chooses_threshold(self) -> bool:
        """Whether an option of :func:`decision_options` was given."""
        given = (self.values.get(name) for name in ("threshold", "mode", "max_fpr"))
        return any(value is not None for value in given) or bool(self.values.get("unsure"))

    def options(self) -> RuntimeOptions:
        """Convert to ``RuntimeOptions``.

        Raises:
            UsageError: the options contradict each other.
        """
        try:
            return RuntimeOptions(**self.values)
        except OptionError as error:
            raise click.UsageError(str(error)) from error

    def find(self) -> "Bundle":
        """Open the bundle, without a session; announce on standard error that it is the default one.

        Raises:
            SpamEdgeError: see :meth:`Bundle.find`.
        """
        from spam_edge.bundle.locate import Bundle  # noqa: PLC0415

        bundle = Bundle.find(self.model, digest=self.options().digest)
        self.announce()
        return bundle

    def announce(self) -> None:
        """Say on standard error that the bundle is the default one, if it is."""
        from spam_edge.bundle.locate import DEFAULT_LOCATION, is_default  # noqa: PLC0415

        if is_default(self.model):
            note(f"using ./{DEFAULT_LOCATION.as_posix()}")

    def load(self) -> "SpamClassifier":
        """Open the bundle with a session.

        Raises:
            SpamEdgeError: see :meth:`SpamClassifier.load`.
        """
        from spam_edge.classifier import SpamClassifier  # noqa: PLC0415

        return SpamClassifier(self.find(), self.options())

    def note(self, point: "OperatingPoint", manifest: "Manifest") -> None:
        """Print notes on the requested threshold to standard error."""
        for line in notes(point, manifest, mode=self.values["mode"], max_fpr=self.values["max_fpr"]):
            note(line)


def runtime_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the runtime options to a command, which receives them as ``runtime``, with those of the operating point."""

    @click.option(
        "--model",
        type=click.Path(path_type=Path),
        help="Bundle folder [default: $SPAM_EDGE_MODEL, else ./artifacts/bundle, unless other users can write to it].",
    )
    @click.option(
        "--digest", metavar="SHA256", help="Refuse any bundle but the one with this digest, as shown by info."
    )
    @click.option(
        "--device",
        type=click.Choice(DEVICES),
        default="auto",
        show_default=True,
        help="Device to run on; cuda fails without CUDA.",
    )
    @click.option(
        "--variant",
        type=click.Choice(VARIANTS),
        default="auto",
        show_default=True,
        help="Model file of the bundle; auto selects the one for the device.",
    )
    @click.option(
        "--threads",
        type=click.IntRange(min=1),
        help="CPU threads [default: the cores available to this process].",
    )
    @click.option(
        "--exact", is_flag=True, help="Rescore messages near the threshold in fp32, for the labels of PyTorch."
    )
    @functools.wraps(command)
    def wrapper(model: Path | None, **given: Any) -> None:
        values = {field.name: given.pop(field.name) for field in fields(RuntimeOptions) if field.name in given}
        command(runtime=RuntimeChoice(model, values), **given)

    return wrapper


def decision_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of the operating point to a command that has :func:`runtime_options`."""
    options = (
        click.option(
            "--threshold",
            type=click.FloatRange(0, 1),
            help="Lowest score labelled spam [default: that of the bundle].",
        ),
        click.option(
            "--mode",
            metavar="NAME",
            help="Threshold of the bundle to use: low-false-positive, balanced or high-recall (see info).",
        ),
        click.option(
            "--max-fpr",
            type=click.FloatRange(0, 1),
            metavar="RATE",
            help="Use the lowest threshold whose false-positive rate is at most RATE, such as 0.01, with 95 % "
            "confidence on the validation ham.",
        ),
        click.option(
            "--max-fpr-unproven",
            is_flag=True,
            help="Estimate the threshold of --max-fpr if there is too little validation ham to show it.",
        ),
        click.option(
            "--unsure",
            is_flag=True,
            help="Label scores between the thresholds of high-recall and low-false-positive UNSURE.",
        ),
    )
    return _with_options(command, options)


def reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the reader options to a command, which receives them by the field names of ``ReadOptions``."""
    options = (
        click.option(
            "--input-format",
            type=click.Choice(FORMATS),
            help="Format of all inputs [default: by suffix, else text].",
        ),
        click.option(
            "--text-column",
            metavar="NAME",
            help="Column or JSON key of the text [default: the only one, else text, message, sms or body].",
        ),
        click.option(
            "--delimiter",
            metavar="CHAR",
            help="Delimiter of CSV and TSV: a character, comma, semicolon, tab or pipe [default: as in the header].",
        ),
        click.option(
            "--long-cells",
            is_flag=True,
            help="Read a quoted cell of CSV and TSV as one text, however many of its lines look like rows.",
        ),
        click.option("--encoding", default="utf-8", show_default=True, metavar="NAME", help="Encoding of the inputs."),
    )
    return _with_options(command, options)


def spreadsheet_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add the option ``--spreadsheet-safe`` to a command, which receives it as ``spreadsheet_safe``."""
    return click.option(
        "--spreadsheet-safe",
        is_flag=True,
        help="Put ' before CSV and TSV cells that a spreadsheet could run as a formula.",
    )(command)


def _with_options(command: Callable[..., None], options: Sequence[Callable[..., Any]]) -> Callable[..., None]:
    for option in reversed(options):  # the last option added comes first in the help
        command = option(command)
    return command


def examples(*lines: str) -> str:
    """Format examples as an epilog that click does not rewrap."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def checked_reading(**options: Any) -> ReadOptions:
    """Build ``ReadOptions`` from the options of a command.

    Raises:
        UsageError: ``--whole-file`` is combined with an input format other than text and mail.
    """
    if options["whole_file"] and options["input_format"] not in (None, "text", "mail"):
        raise click.UsageError("--whole-file reads files as plain text and cannot be combined with --input-format")
    return ReadOptions(**options)
