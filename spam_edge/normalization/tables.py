"""The character tables of the normaliser: ``normalizer.json``, made once in training and carried by the bundle.

They are data, not code, so that every Python, whatever Unicode version it knows, folds as the model was trained.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from spam_edge.errors import BundleIntegrityError

NORMALIZER_NAME = "normalizer.json"
VERSION = 1
"""Of the rules in this package together with the form of the tables."""
_BEGINNING = re.compile(rb'\{\s*"version": (\d+),')
_READ_OF_IT = 64  # bytes


@dataclass(frozen=True, slots=True)
class Tables:
    """What characters are folded to; each key is one character.

    Attributes:
        invisible: characters that show nothing.
        plain: compatibility forms that ordinary text has too, such as a ligature, a fraction or a letter with accent,
            and bytes of Windows-1252 that were taken for Latin-1.
        styled: forms of ASCII letters and digits that ordinary English has no use for, such as fullwidth or bold ones.
        confusable: letters of other scripts to the ASCII letters that they look like, the likelier one first.
        emoji: emoji to their names, in words.
        words: words in lower case that the training messages have, beside those of the tokenizer's vocabulary.
        foreign: first and last letters of the scripts that the training messages do not have.
    """

    invisible: frozenset[str]
    plain: Mapping[str, str]
    styled: Mapping[str, str]
    confusable: Mapping[str, str]
    emoji: Mapping[str, str]
    words: frozenset[str] = frozenset()
    foreign: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read ``normalizer.json``.

        Raises:
            BundleIntegrityError: it is missing or broken; :func:`check_version` says whether it is of this version.
        """
        try:
            data = json.loads(path.read_bytes())
            maps = {name: _one_character_each(data[name]) for name in ("plain", "styled", "confusable", "emoji")}
            words = frozenset(data["words"])
            foreign = tuple((first, last) for first, last in data["foreign"])
            return cls(invisible=frozenset(_some(data["invisible"])), words=words, foreign=foreign, **maps)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _unreadable(path, repr(error)) from error

    def to_json(self) -> str:
        """Return the contents of ``normalizer.json``; the same tables give the same text."""
        data: dict[str, Any] = {"version": VERSION, "invisible": "".join(sorted(self.invisible))}
        for name in ("plain", "styled", "confusable", "emoji"):
            data[name] = dict(sorted(getattr(self, name).items()))
        data["words"] = sorted(self.words)
        data["foreign"] = [list(ends) for ends in self.foreign]
        return json.dumps(data, ensure_ascii=True, indent=1) + "\n"


def check_version(path: Path) -> None:
    """Look at the beginning of ``normalizer.json`` alone: few messages need the rest, all need the right rules.

    Raises:
        BundleIntegrityError: it is missing or broken, or of a version that this package does not know.
    """
    try:
        with path.open("rb") as stream:
            beginning = _BEGINNING.match(stream.read(_READ_OF_IT))
    except OSError as error:
        raise _unreadable(path, error) from error
    if beginning is None:
        raise _unreadable(path, "it does not begin with its version")
    if int(beginning[1]) != VERSION:
        raise BundleIntegrityError(
            f"{path} is of version {int(beginning[1])}, this spam-edge knows {VERSION}; install the release of "
            "spam-edge that made the bundle, or train and export again"
        )


def character_class(characters: Iterable[str]) -> str:
    """Return the inside of a regular expression's ``[...]``, in ranges: with single astral characters it is slow."""
    return class_of_ranges(ranges(characters))


def class_of_ranges(rows: Iterable[tuple[str, str]]) -> str:
    """Return the same of first and last characters of rows."""
    return "".join(f"\\U{ord(first):08x}-\\U{ord(last):08x}" for first, last in rows)


def ranges(characters: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield first and last of every row of neighbouring characters."""
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


def _one_character_each(table: Any) -> dict[str, str]:
    if not all(len(key) == 1 and isinstance(value, str) for key, value in _some(table).items()):
        raise TypeError("a table maps single characters to text")
    return dict(table)


def _some(table: Any) -> Any:
    if not table:
        raise ValueError("a table is empty")
    return table
