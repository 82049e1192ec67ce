"""Escapes: control characters and spreadsheet formulas are neutralised; all other text is unchanged."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.errors import InputError, SpamEdgeError
from spam_edge.escapes import one_line, safe_json, spreadsheet_cell
from tests.support.controls import CONTROLS

ANY = st.text(st.characters())


def test_control_characters_are_shown_as_escapes() -> None:
    assert one_line("a\x1b[2Jb\x85c\u2028d\u202ee\r\u200f") == "a\\x1b[2Jb\\x85c\\u2028d\\u202ee\\r\\u200f"
    assert one_line("\x9b31m\x7f\udcff\u061c") == "\\x9b31m\\x7f\\udcff\\u061c"
    assert one_line("👩\u200d🚀 ünï \\n") == "👩\u200d🚀 ünï \\n"


@given(ANY)
def test_one_line_escapes_only_control_characters(text: str) -> None:
    shown = one_line(text)
    assert not CONTROLS.search(shown)
    assert len(shown.splitlines()) <= 1
    shown.encode()
    if not CONTROLS.search(text):
        assert shown == text
    assert one_line(shown) == shown


@given(st.recursive(ANY, lambda inner: st.lists(inner) | st.dictionaries(ANY, inner), max_leaves=5))
def test_safe_json_preserves_values_without_control_characters(value: object) -> None:
    document = safe_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(document) == value
    assert not CONTROLS.search(document)


@given(ANY)
def test_spreadsheet_cell_is_never_formula(text: str) -> None:
    cell = spreadsheet_cell(text)
    assert cell.removeprefix("'") == text.removeprefix("'")
    assert cell[:1] not in set("=+-@\t\r\n")


@pytest.mark.parametrize("kind", [SpamEdgeError, InputError])
def test_error_message_is_escaped_to_one_line(kind: type[SpamEdgeError]) -> None:
    error = kind("a\nError: forged\x1b[2J.csv cannot be read")
    assert str(error) == "a\\nError: forged\\x1b[2J.csv cannot be read"
    assert error.args == ("a\nError: forged\x1b[2J.csv cannot be read",)
