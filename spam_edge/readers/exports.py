"""Exports of messengers and phones: tables whose columns are fixed."""

from collections.abc import Callable, Mapping

from spam_edge.errors import InputError
from spam_edge.readers.extraction import Table
from spam_edge.readers.lines import LineSource
from spam_edge.readers.sms_backup import open_sms_backup
from spam_edge.readers.telegram import open_telegram
from spam_edge.readers.whatsapp import open_whatsapp

EXPORTS: Mapping[str, Callable[[LineSource], Table]] = {
    "sms-xml": open_sms_backup,
    "whatsapp": open_whatsapp,
    "telegram": open_telegram,
}
"""Readers by the name of their format."""


def open_export(lines: LineSource, name: str, wanted: str | None) -> Table:
    """Open an export of this format.

    Raises:
        InputError: ``wanted`` is not the column of the text, which is fixed.
    """
    table = EXPORTS[name](lines)
    if wanted not in (None, table.names[table.column]):
        raise InputError(f"{lines.name}: the text of {name} is always in the column 'text'; leave --text-column out")
    return table
