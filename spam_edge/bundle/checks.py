"""Strict JSON, and checks of its values. Each check returns the value or says what it must be."""

import json
import math
import reprlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
Check = Callable[[object, str], T]
LARGEST = 2**63 - 1
"""Largest integer; a larger one does not fit an array or a format."""


class InvalidValueError(ValueError):
    """A value has the wrong type or is out of range."""


def parse_json(content: bytes) -> Any:
    """Parse a JSON document.

    Raises:
        ValueError: it is not JSON, or see :func:`check_json`.
    """
    value = load_json(content)
    check_json(value)
    return value


def load_json(content: bytes) -> Any:
    """Parse a JSON document that may hold NaN, and lone surrogates, as names of files do that are not UTF-8.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        return json.loads(content)
    except RecursionError as error:
        raise InvalidValueError("it is nested too deeply") from error


def check_json(value: object) -> None:
    """Check that a value can be written as JSON in UTF-8, which NaN, infinity and lone surrogates cannot.

    Raises:
        ValueError: it cannot.
    """
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (RecursionError, TypeError) as error:
        raise InvalidValueError(f"it is not JSON ({error})") from error


def text(value: object, name: str) -> str:
    """Check a string."""
    return _of_type(value, str, name, "a text")


def boolean(value: object, name: str) -> bool:
    """Check a truth value."""
    return _of_type(value, bool, name, "true or false")


def entries(value: object, name: str) -> dict[str, Any]:
    """Check an object."""
    if not isinstance(value, Mapping):
        raise _wrong(value, name, "an object")
    return dict(value)


def integer(value: object, name: str, *, low: int = 0, high: int = LARGEST) -> int:
    """Check a whole number from ``low`` to ``high``."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _wrong(value, name, f"a whole number from {low:,} to {high:,}")
    return value


def number(value: object, name: str, *, low: float = 0.0, high: float = math.inf) -> float:
    """Check a finite number from ``low`` to ``high``."""
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not low <= value <= high or abs(value) > LARGEST:  # type: ignore[operator, arg-type]
        raise _wrong(
            value, name, f"a number from {low:g} to {high:g}" if high < math.inf else "a finite number of at least 0"
        )
    return float(value)  # type: ignore[arg-type]


def share(value: object, name: str) -> float:
    """Check a number from 0 to 1."""
    return number(value, name, high=1.0)


def optional(check: Check[T]) -> Check[T | None]:
    """Return a check that also accepts null."""
    return lambda value, name: None if value is None else check(value, name)


def each(check: Check[T]) -> Check[tuple[T, ...]]:
    """Return a check of a list."""

    def of_list(value: object, name: str) -> tuple[T, ...]:
        if not isinstance(value, list | tuple):
            raise _wrong(value, name, "a list")
        return tuple(check(item, name) for item in value)

    return of_list


def each_value(check: Check[T]) -> Check[dict[str, T]]:
    """Return a check of an object by its values."""
    return lambda value, name: {key: check(entry, f"{name}.{key}") for key, entry in entries(value, name).items()}


def record(checks: Mapping[str, Check[Any]], value: object, name: str, *, optional: frozenset[str]) -> dict[str, Any]:
    """Check an object with known keys, those in ``optional`` may be missing.

    Raises:
        InvalidValueError: a key is missing or unknown, or a value is wrong.
    """
    found, inside = entries(value, name or "the document"), f"{name}." if name else ""
    if missing := [key for key in checks if key not in found and key not in optional]:
        raise InvalidValueError(f"the field {inside}{missing[0]} is missing")
    if unknown := [key for key in found if key not in checks]:
        raise InvalidValueError(f"the field {inside}{unknown[0]} is unknown")
    return {key: checks[key](entry, f"{inside}{key}") for key, entry in found.items()}


def shown(value: object) -> str:
    """Return a value for a message, shortened."""
    return _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200
_SHORT.maxlong = 40


def _of_type(value: object, kind: type[T], name: str, expected: str) -> T:
    if not isinstance(value, kind):
        raise _wrong(value, name, expected)
    return value


def _wrong(value: object, name: str, expected: str) -> InvalidValueError:
    return InvalidValueError(f"{name} must be {expected}, not {shown(value)}")
