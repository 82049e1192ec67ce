"""Building blocks of the sections of the page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tests.evaluation.report.drawing import Picture
from tests.evaluation.report.wording import Cell, Shown


@dataclass(frozen=True, slots=True)
class Table:
    """A table of figures.

    Attributes:
        header: one name per column.
        rows: cells; the first of each row is its heading.
        summary: if set, the table is collapsed under this line.
        wide: the first column holds whole sentences.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[Shown, ...], ...]
    summary: str = ""
    wide: bool = False
    kind: ClassVar[str] = "table"


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures side by side where the width allows; ``summary`` as in :class:`Table`."""

    pictures: tuple[Picture, ...]
    summary: str = ""
    kind: ClassVar[str] = "pictures"


@dataclass(frozen=True, slots=True)
class Note:
    """A paragraph."""

    text: str
    kind: ClassVar[str] = "note"


Block = Table | Pictures | Note


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the page.

    Attributes:
        anchor: id of the element.
        title: heading.
        reading: how to read the section, in one to three sentences.
        blocks: content, in order.
    """

    anchor: str
    title: str
    reading: str
    blocks: tuple[Block, ...]


def table(header: Sequence[str], rows: Iterable[Sequence[Cell]], *, summary: str = "", wide: bool = False) -> Table:
    """Make a table from texts and figures."""
    cells = tuple(tuple(cell if isinstance(cell, Shown) else Shown(cell) for cell in row) for row in rows)
    return Table(tuple(header), cells, summary, wide)
