"""The command ``spam-edge explain``."""

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from spam_edge.cli.console import is_terminal, note, show_json, show_styled
from spam_edge.cli.options import RuntimeChoice, examples, runtime_options
from spam_edge.errors import InputError
from spam_edge.escapes import one_line
from spam_edge.readers.windows import STDIN, ReadOptions, check_readable, read_windows

if TYPE_CHECKING:
    from spam_edge.diagnostics.explain import Explanation

# Backgrounds of the 256-colour palette, pale to strong, with black text: legible on light and dark terminals.
_REDS = (224, 217, 210, 203, 196)
_GREENS = (194, 157, 120, 83, 46)
_FULL = 1.0
"""Smallest influence in logits that gets the strongest colour."""


@click.command(
    short_help="Show the influence of each word on the verdict.",
    epilog=examples(
        'spam-edge explain "WINNER!! Call 09061701461 to claim your prize"',
        "spam-edge explain --json < message.txt",
    ),
)
@click.argument("text", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@runtime_options
def explain(*, runtime: RuntimeChoice, text: str | None, as_json: bool) -> None:
    """Show the influence of each word of a message on its verdict.

    The message is TEXT, or all of standard input without TEXT or for "-". Each word is left out once. Its influence is
    the drop of the margin (the difference of the two logits) and of the score. A terminal shows words that favour spam
    in red and words that favour ham in green, deeper for a stronger influence. Otherwise, or with NO_COLOR, a table
    lists margin, score, place in the text and word.
    """
    runtime.options()  # contradicting options come before the message
    message = _read_stdin() if text in (None, "-") else text
    explanation = runtime.load().explain(message or "")
    if as_json:
        show_json(explanation.to_dict())
        return
    if is_terminal(sys.stdout) and not os.environ.get("NO_COLOR"):
        show_styled(_painted(explanation))
    else:
        show_styled(_table(explanation))
    if explanation.truncated:
        note("the message exceeds the maximum length; only its beginning is shown")


def _read_stdin() -> str:
    """Read standard input as one message, which may be empty.

    Raises:
        InputError: the bytes cannot be decoded.
    """
    if is_terminal(sys.stdin):
        note("reading one message from the keyboard; end with Ctrl-D")
    check_readable(STDIN)
    windows = list(read_windows(STDIN, ReadOptions(whole_file=True)))
    for fault in (fault for window in windows for fault in window.bad):
        raise InputError(f"{fault.file}: {fault.reason.split('; ')[0]}; convert it to utf-8")
    return "".join(message.text for window in windows for message in window.messages)


def _verdict(explanation: "Explanation") -> str:
    return f"{one_line(explanation.label)}\t{explanation.score:.4f}\tthreshold {explanation.threshold:.4f}"


def _table(explanation: "Explanation") -> Iterator[str]:
    yield _verdict(explanation)
    yield f"{'margin':>10}{'score':>10}  {'place':<10}word"
    for word in explanation.words:
        place = f"{word.start}-{word.end}"
        yield f"{word.margin:>+10.4f}{word.score:>+10.4f}  {place:<10}{one_line(word.text)}"


def _painted(explanation: "Explanation") -> Iterator[str]:
    yield _verdict(explanation)
    strongest = max([_FULL, *(abs(word.margin) for word in explanation.words)])
    yield " ".join(_paint(one_line(word.text), word.margin / strongest) for word in explanation.words)


def _paint(text: str, strength: float) -> str:
    """Colour a word by its influence from -1 to 1; below 0.1 in magnitude it stays plain."""
    if abs(strength) < 0.1:
        return text
    colours = _REDS if strength > 0 else _GREENS
    return click.style(text, fg=16, bg=colours[min(int(abs(strength) * len(colours)), len(colours) - 1)])
