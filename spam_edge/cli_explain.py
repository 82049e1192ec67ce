"""The command ``spam-edge explain``."""

import json
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from spam_edge.cli_base import RuntimeChoice, examples, is_terminal, runtime_options
from spam_edge.errors import InputError
from spam_edge.records import STDIN, ReadOptions, check_readable, read_windows
from spam_edge.writers import one_line

if TYPE_CHECKING:
    from spam_edge.explain import Explanation

# Backgrounds of the 256-colour palette, pale to strong, under black letters: legible on light and dark terminals.
_REDS = (224, 217, 210, 203, 196)
_GREENS = (194, 157, 120, 83, 46)
_FULL = 1.0
"""A message in which no word moves the margin by so many logits is not painted in the strongest colour."""


@click.command(
    short_help="Show which words make a message spam.",
    epilog=examples(
        'spam-edge explain "WINNER!! Call 09061701461 to claim your prize"',
        "spam-edge explain --json < message.txt",
    ),
)
@click.argument("text", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@runtime_options
def explain(*, runtime: RuntimeChoice, text: str | None, as_json: bool) -> None:
    """Show how far each word of one message moves the verdict on it.

    The message is TEXT or, without it or for "-", all of standard input. Each word is left out once; its influence is
    what the difference of the two logits, the margin, and the score lose by that. On a terminal, words that speak for
    spam are red and those that speak for ham green, the stronger the deeper; else, and with NO_COLOR, there is a table:
    margin, score, place in the text and word.
    """
    from spam_edge.classifier import SpamClassifier  # noqa: PLC0415

    options = runtime.options()
    message = _read_stdin() if text in (None, "-") else text
    explanation = SpamClassifier.load(runtime.model, options).explain(message or "")
    if as_json:
        click.echo(json.dumps(explanation.to_dict(), indent=2, ensure_ascii=False))
        return
    coloured = is_terminal(sys.stdout) and not os.environ.get("NO_COLOR")
    click.echo("\n".join(_painted(explanation) if coloured else _table(explanation)))
    if explanation.truncated:
        click.echo("the message is longer than the model reads; only its beginning is shown", err=True)


def _read_stdin() -> str:
    """Return standard input as one message; an empty one is a message, too.

    Raises:
        InputError: it is no text.
    """
    if is_terminal(sys.stdin):
        click.echo("reading one message from the keyboard; end with Ctrl-D", err=True)
    check_readable(STDIN)
    windows = list(read_windows(STDIN, ReadOptions(whole_file=True)))
    for fault in (fault for window in windows for fault in window.bad):
        raise InputError(f"{fault.file}: {fault.reason.split('; ')[0]}; convert it to utf-8")
    return "".join(message.text for window in windows for message in window.messages)


def _verdict(explanation: "Explanation") -> str:
    return f"{explanation.label}\t{explanation.score:.4f}\tthreshold {explanation.threshold:.4f}"


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
    """Colour a word by its influence, from -1 to 1; what is less than a tenth stays plain."""
    if abs(strength) < 0.1:
        return text
    colours = _REDS if strength > 0 else _GREENS
    return click.style(text, fg=16, bg=colours[min(int(abs(strength) * len(colours)), len(colours) - 1)])
