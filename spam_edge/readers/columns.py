"""The rule for columns, delimiters and the first line of a TSV file, for training and for the runtime.

A file in the form of the UCI SMS Spam Collection has a label, a tab and a text per line, no header and no quoting.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from spam_edge.readers.extraction import UnreadableText

COLUMN_NAMES = ("text", "message", "sms", "body")
"""Default names of the text column, in any case."""
LABEL_NAMES = ("label", "class", "category")
"""Default names of the label column, in any case."""
UCI_LABELS = ("ham", "spam")
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
"""Delimiters of tables, with their names."""
_SEP = re.compile(r'"?sep=(.?)"?', re.IGNORECASE)
"""First line of a CSV file for Excel."""
_NAME = re.compile(r"[\w.#()/-]+( [\w.#()/-]+){0,2}")
"""Name of an only column, which a message without a header and a record with another delimiter do not match."""
_QUOTED = re.compile(r'"[^"]*"?')


def choose_column(names: Sequence[str], wanted: str | None) -> int:
    """Return the index of the text column: the one named, the only one, or the one with a default name.

    An only column whose name is a sentence or has another delimiter in it does not qualify.

    Raises:
        UnreadableText: no column or more than one qualifies; the message lists the columns.
    """
    if wanted is None and len(names) == 1:
        if _NAME.fullmatch(names[0].strip()):
            return 0
        raise UnreadableText(
            f"the first row is {listed(names)}, which looks like a message or has another delimiter; add a header, or "
            "set --text-column or --delimiter"
        )
    return _choose(names, wanted, COLUMN_NAMES, "text")


class TextKey:
    """The key of the text in the objects of a JSON Lines file: one for all.

    It is the one named, else the one with a default name in the first object that has one. The only key of an object
    does not count, unlike the only column of a table: writers omit keys without a value.

    Attributes:
        name: the key, or ``None`` before it is known.
    """

    def __init__(self, wanted: str | None) -> None:
        """Use the key ``wanted``, if given."""
        self.name = wanted

    def value(self, item: Mapping[str, Any]) -> Any:
        """Return the value of the key in an object.

        Raises:
            UnreadableText: the object has no such key, or none or more than one with a default name.
        """
        if self.name is None:
            names = list(item)
            self.name = names[_choose(names, None, COLUMN_NAMES, "text")]
        if self.name not in item:
            raise UnreadableText(f"the object has no key {self.name!r}; add it, or remove the line", "key")
        return item[self.name]


def choose_columns(names: Sequence[str], text: str | None, label: str | None) -> tuple[int, int]:
    """Return the indices of the text column and of the label column.

    The label column is the one named or the one with a default name. The text column is the only other one, or the one
    that :func:`choose_column` finds among the others.

    Raises:
        UnreadableText: no column or more than one qualifies; the message lists the columns.
    """
    label_index = _choose(names, label, LABEL_NAMES, "label")
    others = [*names[:label_index], *names[label_index + 1 :]]
    text_index = 0 if text is None and len(others) == 1 else choose_column(others, text)
    return text_index + (text_index >= label_index), label_index


def declared_delimiter(line: str) -> str | None:
    """Return the delimiter that a first line such as ``sep=;`` declares; None if the line is another one."""
    declared = _SEP.fullmatch(line.strip("\r\n"))
    return declared[1] if declared else None


def detect_delimiter(header: str, default: str) -> str:
    """Return the delimiter of a header, quoted names left out; ``default`` if it has none.

    Raises:
        UnreadableText: the header has several delimiters. The message names no remedy.
    """
    plain = _QUOTED.sub("", header)
    found = [delimiter for delimiter in DELIMITERS if delimiter in plain]
    if len(found) > 1 and "|" in found:  # as in "text (a|b)"
        found.remove("|")
    if default == "\t" and default in found:
        return default
    if len(found) > 1:
        raise UnreadableText(f"{' and '.join(map(DELIMITERS.__getitem__, found))} may separate the columns")
    return found[0] if found else default


def first_fields(line: str) -> list[str]:
    """Return the fields of the first line of a TSV file. Each tab separates; enclosing quotes are dropped."""
    return [field.strip('"') for field in line.rstrip("\r\n").split("\t")]


def is_one_of(field: str, names: Collection[str]) -> bool:
    """Whether a field is one of these lower-case names, in any case."""
    return field.strip().casefold() in names


def check_header(line: str, wanted: str | None) -> None:
    """Check that the first line of a TSV file is a header and not a message in UCI form.

    Raises:
        UnreadableText: the line is ``ham`` or ``spam`` and a text, and none of its fields is the column ``wanted``.
    """
    fields = first_fields(line)
    if len(fields) > 1 and is_one_of(fields[0], UCI_LABELS) and wanted not in fields:
        raise UnreadableText(
            f"{fields[0]!r} is a label, not a column name; add a header line label<TAB>text and quote as in CSV, or "
            "set --text-column if the line is a header"
        )


def has_header(line: str, labels: Collection[str], text: str | None, label: str | None) -> bool:
    """Whether the first line of a labelled TSV file is a header; if not, the file is in UCI form.

    Args:
        line: the first line.
        labels: the known labels in lower case.
        text: name of the text column, if set.
        label: name of the label column, if set.

    Raises:
        UnreadableText: the line may be both, or is neither.
    """
    fields = first_fields(line)
    if not is_one_of(fields[0], labels):
        _check_columns(fields, text, label)
        return True
    if {text, label} <= {*fields}:
        return True
    if {text, label} & {*fields} or any(is_one_of(field, (*COLUMN_NAMES, *LABEL_NAMES)) for field in fields):
        raise UnreadableText(
            f"{fields[0]!r} is a label, but other fields are column names; set --text-column and --label-column if the "
            "line is a header, or rename the file to .txt if it is a message"
        )
    return False


def _check_columns(fields: Sequence[str], text: str | None, label: str | None) -> None:
    try:
        choose_columns(fields, text, label)
    except UnreadableText as error:
        raise UnreadableText(
            f"not a header ({error}), and {listed(fields[:1])} is not a known label; "
            "map it with --label-map NAME=SPAM,..."
        ) from error


def _choose(names: Sequence[str], wanted: str | None, known: Collection[str], kind: str) -> int:
    if wanted is not None:
        if names.count(wanted) > 1:
            raise UnreadableText(f"there is more than one column {wanted!r}; rename all but one")
        if wanted in names:
            return names.index(wanted)
        raise UnreadableText(f"there is no column {wanted!r}; --{kind}-column takes one of: {listed(names)}")
    found = [index for index, name in enumerate(names) if is_one_of(name, known)]
    if len(found) == 1:
        return found[0]
    problem = f"more than one {kind} column found" if found else f"no {kind} column found"
    raise UnreadableText(f"{problem}; set --{kind}-column to one of the first row: {listed(names)}")


def listed(names: Sequence[str]) -> str:
    """Return the names of columns for a message, shortened."""
    shown = [name if len(name) <= 40 else f"{name[:40]}..." for name in names[:10]]
    return ", ".join(map(repr, shown)) + (", ..." if len(names) > 10 else "")
