"""What a section of the page is made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tests.evaluation.report.drawing import Picture
from tests.evaluation.report.wording import Cell, Shown


@dataclass(frozen=True, slots=True)
class Table:
    """Figures in rows.

    Attributes:
        header: one name for each column.
        rows: cells; the first of a row says what the row is about.
        summary: where there is one, the table is folded away behind it.
        wide: whether the first column holds whole sentences.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[Shown, ...], ...]
    summary: str = ""
    wide: bool = False
    kind: ClassVar[str] = "table"


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures side by side, as far as there is room; ``summary`` as for a table."""

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
    """A part of the page.

    Attributes:
        anchor: its address within the page.
        title: what it is about.
        reading: one sentence that says how to read it.
        blocks: what it shows, in this order.
    """

    anchor: str
    title: str
    reading: str
    blocks: tuple[Block, ...]


def table(header: Sequence[str], rows: Iterable[Sequence[Cell]], *, summary: str = "", wide: bool = False) -> Table:
    """Make a table of texts and figures."""
    cells = tuple(tuple(cell if isinstance(cell, Shown) else Shown(cell) for cell in row) for row in rows)
    return Table(tuple(header), cells, summary, wide)
