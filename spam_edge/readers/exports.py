"""Exports of messengers and phones: tables whose columns are fixed.

A run needs one of the readers at most, so that each is imported when it is used.
"""

from collections.abc import Callable, Mapping

from spam_edge.errors import InputError
from spam_edge.readers.extraction import Table
from spam_edge.readers.lines import LineSource


def _open_sms_backup(lines: LineSource) -> Table:
    from spam_edge.readers.sms_backup import open_sms_backup  # noqa: PLC0415

    return open_sms_backup(lines)


def _open_telegram(lines: LineSource) -> Table:
    from spam_edge.readers.telegram import open_telegram  # noqa: PLC0415

    return open_telegram(lines)


def _open_whatsapp(lines: LineSource) -> Table:
    from spam_edge.readers.whatsapp import open_whatsapp  # noqa: PLC0415

    return open_whatsapp(lines)


EXPORTS: Mapping[str, Callable[[LineSource], Table]] = {
    "sms-xml": _open_sms_backup,
    "whatsapp": _open_whatsapp,
    "telegram": _open_telegram,
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
