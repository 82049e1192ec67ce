"""The character tables of the normaliser: ``normalizer.json``, built in training and stored in the bundle.

They are data, so folding does not depend on the Unicode version of the Python that runs it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from spam_edge.errors import BundleIntegrityError

NORMALIZER_NAME = "normalizer.json"
VERSION = 2
"""Version of the normalisation rules and of the table format."""
OLDEST_VERSION = 1
"""Oldest version that is read, without ``shapes`` and so with the rules that it was made with."""
_BEGINNING = re.compile(rb'\{\s*"version": (\d+),')
_READ_OF_IT = 64  # bytes
_MAPS = ("plain", "styled", "confusable", "emoji")
_OF_LETTERS = ("styled", "confusable", "shapes")
MONEY = frozenset(map(chr, (0x0E3F, *range(0x20A0, 0x20D0))))
"""Currency signs."""
FREQUENT = MONEY | set("\u00a3\u2018\u2019\u201c\u201d\u2013\u2014\u2022")
"""The most frequent characters beyond ASCII in messages: currency signs, quotation marks, dashes and bullets."""


@dataclass(frozen=True, slots=True)
class Tables:
    """Character tables; each key is one character.

    Attributes:
        invisible: invisible characters.
        plain: compatibility forms of ordinary text, such as ligatures, fractions and accented letters, and
            Windows-1252 bytes decoded as Latin-1.
        styled: forms of ASCII letters and digits that ordinary English does not use, such as fullwidth or bold.
        confusable: letters of other scripts to the ASCII letters they resemble, most likely first.
        emoji: emoji to their names in words.
        words: lower-case words of the training messages that the tokenizer's vocabulary lacks.
        foreign: letter ranges (first, last) of the scripts that the training messages lack.
        shapes: letters and signs to the ASCII letters that they only suggest; read where the result is a known word.
            Empty in version 1.
    """

    invisible: frozenset[str]
    plain: Mapping[str, str]
    styled: Mapping[str, str]
    confusable: Mapping[str, str]
    emoji: Mapping[str, str]
    words: frozenset[str] = frozenset()
    foreign: tuple[tuple[str, str], ...] = ()
    shapes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read ``normalizer.json``; see :meth:`parse`."""
        return cls.parse(read_tables(path), path)

    @classmethod
    def parse(cls, content: bytes, path: Path) -> Self:
        """Parse the content of ``normalizer.json``; errors quote its path.

        Raises:
            BundleIntegrityError: it is malformed. The version is checked by :func:`check_version`.
        """
        try:
            data = json.loads(content)
            maps = {name: _map(_some(data[name])) for name in _MAPS}
            maps["shapes"] = _map(data["shapes"]) if data["version"] > OLDEST_VERSION else {}
            for name in _OF_LETTERS:
                _check_letters(maps[name])
            invisible = frozenset(map(_character, _some(data["invisible"])))
            words, foreign = frozenset(_texts(data["words"])), tuple(map(_range, data["foreign"]))
            return cls(invisible=invisible, words=words, foreign=foreign, **maps)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _unreadable(path, repr(error)) from error

    def to_json(self) -> str:
        """Return the contents of ``normalizer.json``; equal tables give identical text."""
        data: dict[str, Any] = {"version": VERSION, "invisible": "".join(sorted(self.invisible))}
        for name in (*_MAPS, "shapes"):
            data[name] = dict(sorted(getattr(self, name).items()))
        data["words"] = sorted(self.words)
        data["foreign"] = [list(ends) for ends in self.foreign]
        return json.dumps(data, ensure_ascii=True, indent=1) + "\n"


def read_tables(path: Path) -> bytes:
    """Return the content of ``normalizer.json``.

    Raises:
        BundleIntegrityError: the file is missing or unreadable.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def check_version(content: bytes, path: Path) -> None:
    """Check the version at the start of ``normalizer.json`` without parsing the tables, which few messages need.

    Raises:
        BundleIntegrityError: it is malformed or of an unsupported version.
    """
    beginning = _BEGINNING.match(content[:_READ_OF_IT])
    if beginning is None:
        raise _unreadable(path, "it does not start with its version")
    if not OLDEST_VERSION <= int(beginning[1]) <= VERSION:
        raise BundleIntegrityError(
            f"{path} has version {int(beginning[1])}, this spam-edge supports {OLDEST_VERSION} to {VERSION}; install "
            "the release of spam-edge that exported the bundle, or train and export again"
        )


def character_class(characters: Iterable[str]) -> str:
    """Return the body of a regular-expression class, as ranges: single astral characters are slow to match."""
    return class_of_ranges(ranges(characters))


def class_of_ranges(rows: Iterable[tuple[str, str]]) -> str:
    """Return the body of a regular-expression class for ranges of first and last characters."""
    return "".join(f"\\U{ord(first):08x}-\\U{ord(last):08x}" for first, last in rows)


def ranges(characters: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the first and last character of each run of consecutive code points."""
    row: list[int] = []
    for code in sorted(map(ord, characters)):
        if row and code != row[1] + 1:
            yield chr(row[0]), chr(row[1])
            row = []
        row = [row[0], code] if row else [code, code]
    if row:
        yield chr(row[0]), chr(row[1])


def _unreadable(path: Path, reason: object) -> BundleIntegrityError:
    return BundleIntegrityError(f"{path} cannot be read ({reason}); export the bundle again")


def _map(table: Any) -> dict[str, str]:
    return dict(zip(map(_character, table), _texts(table.values()), strict=True))


def _check_letters(table: Mapping[str, str]) -> None:
    if not all(table.values()):
        raise ValueError("a character has no letters")


def _range(ends: Any) -> tuple[str, str]:
    first, last = map(_character, ends)
    if first > last:
        raise ValueError(f"the range {first!r} to {last!r} is empty")
    return first, last


def _character(value: Any) -> str:
    [text] = _texts([value])
    if len(text) != 1:
        raise ValueError(f"{text!r} is not one character")
    return text


def _texts(values: Iterable[Any]) -> list[str]:
    """Return texts; a lone surrogate would make messages invalid that are not."""
    found = list(values)
    if not all(isinstance(value, str) for value in found):
        raise TypeError("an entry is not a string")
    try:
        "".join(found).encode()
    except UnicodeEncodeError as error:
        raise ValueError("an entry has a lone surrogate") from error
    return found


def _some(table: Any) -> Any:
    if not table:
        raise ValueError("a table is empty")
    return table
