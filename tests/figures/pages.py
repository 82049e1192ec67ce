"""Parse a Markdown page into fenced blocks, their commands, and regions of generated figures.

A comment on the line before a block tells the tests how to treat it:

    <!-- not run: REASON -->    the block cannot run in a test
    <!-- trained bundle -->     the block needs the bundle of `make train export`

A region of figures stands between ``<!-- figures: NAME -->`` and ``<!-- end -->``.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
CONSOLE, PYTHON = "console", "python"
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"<!-- not run:(.*)-->\n$")
_TRAINED = "<!-- trained bundle -->\n"
_REGION = re.compile(r"<!-- figures: ([\w-]+) -->\n(.*?)<!-- end -->\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a console block.

    Attributes:
        text: the command after the prompt ``$ ``, with its continuation lines after the prompt ``> ``.
        shown: the output on the page; empty if it shows none.
    """

    text: str
    shown: str


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        line: first line of the block on the page, from 1.
        language: info string of the fence.
        code: the lines between the fences.
        not_run: reason why the tests skip it; None if they run it.
        needs_trained_bundle: it does not run with the tiny bundle of the tests.
        region: name of the enclosing region of figures, or None.
    """

    line: int
    language: str
    code: str
    not_run: str | None
    needs_trained_bundle: bool
    region: str | None


def parse_blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page, in order."""
    regions = [(match.span(), match[1]) for match in _REGION.finditer(text)]
    for match in _BLOCK.finditer(text):
        before = text[: match.start()]
        not_run = _NOT_RUN.search(before)
        yield Block(
            line=before.count("\n") + 1,
            language=match[1],
            code=match[2],
            not_run=not_run[1].strip() if not_run else None,
            needs_trained_bundle=before.endswith(_TRAINED),
            region=next((name for (start, end), name in regions if start < match.start() < end), None),
        )


def parse_commands(code: str) -> list[Command]:
    """Return the commands of a console block, each with the output shown below it.

    Raises:
        ValueError: the block does not begin with a prompt.
    """
    texts: list[str] = []
    shown: list[str] = []
    for line in code.splitlines(keepends=True):
        if line.startswith("$ "):
            texts.append(line[2:])
            shown.append("")
        elif not texts:
            raise ValueError(f"a console block begins with `$ `, not with {line!r}")
        elif line.startswith("> ") and not shown[-1]:
            texts[-1] += line[2:]
        else:
            shown[-1] += line
    return [Command(text.rstrip("\n"), output) for text, output in zip(texts, shown, strict=True)]


def parse_regions(text: str) -> dict[str, str]:
    """Return the content of each region of figures by name."""
    return {match[1]: match[2] for match in _REGION.finditer(text)}


def replace_regions(text: str, make: Callable[[str, str], str]) -> str:
    """Return the page with the content of each region replaced by ``make(name, content)``."""
    return _REGION.sub(
        lambda match: f"<!-- figures: {match[1]} -->\n{make(match[1], match[2])}<!-- end -->\n",
        text,
    )


def prose(text: str) -> str:
    """Return a page without its regions of figures, blocks and inline code."""
    return re.sub(r"`[^`]*`", "", _BLOCK.sub("", _REGION.sub("", text)))
