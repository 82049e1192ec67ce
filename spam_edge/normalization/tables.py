"""The character tables of the normaliser: ``normalizer.json``, made once in training and carried by the bundle.

They are data, not code, so that every Python, whatever Unicode version it knows, folds as the model was trained.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from spam_edge.errors import BundleIntegrityError

NORMALIZER_NAME = "normalizer.json"
VERSION = 1
"""Of the rules in this package together with the form of the tables."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What characters are folded to; each key is one character.

    Attributes:
        invisible: characters that show nothing.
        plain: compatibility forms that ordinary text has too, such as a ligature, a fraction, or a letter with accent,
            and bytes of Windows-1252 that were taken for Latin-1.
        styled: forms of ASCII letters and digits that ordinary English has no use for, such as fullwidth or bold ones.
        confusable: letters of other scripts to the ASCII letters that they look like, the likelier one first.
        emoji: emoji to their names, in words.
    """

    invisible: frozenset[str]
    plain: Mapping[str, str]
    styled: Mapping[str, str]
    confusable: Mapping[str, str]
    emoji: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read ``normalizer.json``.

        Raises:
            BundleIntegrityError: it is missing or broken, or of a version that this package does not know.
        """
        try:
            data = json.loads(path.read_bytes())
            if data["version"] != VERSION:
                raise BundleIntegrityError(
                    f"{path} is of version {data['version']}, this spam-edge knows {VERSION}; install the release of "
                    "spam-edge that made the bundle, or train and export again"
                )
            maps = {name: _one_character_each(data[name]) for name in ("plain", "styled", "confusable", "emoji")}
            return cls(invisible=frozenset(data["invisible"]), **maps)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleIntegrityError(f"{path} cannot be read ({error!r}); export the bundle again") from error

    def to_json(self) -> str:
        """Return the contents of ``normalizer.json``; the same tables give the same text."""
        data: dict[str, Any] = {"version": VERSION, "invisible": "".join(sorted(self.invisible))}
        for name in ("plain", "styled", "confusable", "emoji"):
            data[name] = dict(sorted(getattr(self, name).items()))
        return json.dumps(data, ensure_ascii=True, indent=1) + "\n"


def translator(table: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function that replaces the characters of a table."""
    codes = str.maketrans(dict(table))
    return lambda text: text.translate(codes)


def _one_character_each(table: Any) -> dict[str, str]:
    if not all(len(key) == 1 and isinstance(value, str) for key, value in table.items()):
        raise ValueError("a table maps single characters to text")
    return dict(table)
