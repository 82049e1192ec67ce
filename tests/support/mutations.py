"""Mutations of JSON documents, as a broken disk, an editor or an attacker makes them."""

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Path = tuple[str | int, ...]
DELETED = object()
ENCODINGS = ("utf-16", "utf-32", "utf-7", "utf-8-sig", "latin-1", "cp1252")
LEAVES = st.one_of(
    st.sampled_from(
        [DELETED, None, True, 0, -1, 10**30, 10**400, 2**63, 1.5, float("nan"), float("inf"), "", "\ud800", "\x1b\n",
         "\0", "é" * 300, "a/" * 600, [], {}, [[]], [None], {"": None}]
    ),
    st.integers(), st.floats(), st.text(max_size=5),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES.filter(lambda value: value is not DELETED),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def paths(document: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every value of a document, itself included."""
    yield path
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in inner:
        yield from paths(value, (*path, key))


def replaced(document: Any, path: Path, value: Any) -> Any:
    """Return a copy with another value at a path, or without it if the value is ``DELETED``."""
    if not path:
        return None if value is DELETED else value
    document = copy.deepcopy(document)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    if value is DELETED:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return document


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """Draw a document with one value replaced, deleted, copied from elsewhere or beside a new key."""
    every = list(paths(document))
    path = draw(st.sampled_from(every))
    kind = draw(st.sampled_from(["value", "value", "moved", "new key"]))
    if kind == "moved":
        value = document
        for key in draw(st.sampled_from(every)):
            value = value[key]
        return replaced(document, path, value)
    if kind == "new key":
        objects = [path for path in every if isinstance(_at(document, path), dict)]
        return replaced(document, (*draw(st.sampled_from(objects)), draw(st.text(max_size=5))), draw(VALUES))
    return replaced(document, path, draw(LEAVES | VALUES))


@st.composite
def contents(draw: st.DrawFn, document: Any) -> bytes:
    """Draw the bytes of a damaged file: a mutated document, another encoding, cut off, or nested without end."""
    text = json.dumps(draw(mutated(document)), ensure_ascii=draw(st.booleans()))
    match draw(st.sampled_from(["", "", "", "", "encoding", "cut", "bytes", "deep"])):
        case "encoding":
            return text.encode(draw(st.sampled_from(ENCODINGS)), "backslashreplace")
        case "cut":
            return text.encode("utf-8", "surrogatepass")[: draw(st.integers(0, len(text)))]
        case "bytes":
            return draw(st.binary(max_size=20))
        case "deep":
            return b'{"a":' * 100_000
        case _:
            return text.encode("utf-8", "surrogatepass")


def _at(document: Any, path: Path) -> Any:
    for key in path:
        document = document[key]
    return document
