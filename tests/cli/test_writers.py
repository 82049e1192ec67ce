"""Writers: one record per message in each format, without loss."""

import csv
import io
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spam_edge.cli.writers import FIELDS, Verdict, csv_writer, jsonl_writer, text_writer
from spam_edge.prediction import Prediction
from spam_edge.readers.extraction import Message
from tests.support.controls import CONTROLS

TEXTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=30))
WIN = (Message("win\tbig\n", "a.txt", 3), Prediction("SPAM", 0.98765432, truncated=True, disguised=True))
HELLO = (Message('say "hi", you', "b.txt", 1), Prediction("HAM", 0.0, truncated=False))


def verdicts(texts: list[str]) -> list[Verdict]:
    return [(Message(text, "f", line), Prediction("HAM", 0.25, truncated=False)) for line, text in enumerate(texts)]


def test_text_writer_escapes_tabs_and_newlines() -> None:
    stream = io.StringIO()
    text_writer(stream)([WIN, HELLO])
    assert stream.getvalue() == 'SPAM\t0.9877\twin\\tbig\\n\nHAM\t0.0000\tsay "hi", you\n'


def test_text_writer_adds_location_and_label_style() -> None:
    stream = io.StringIO()
    text_writer(stream, places=True, style=lambda label: f"*{label}*")([HELLO])
    assert stream.getvalue() == 'b.txt:1\t*HAM*\t0.0000\tsay "hi", you\n'


def test_jsonl_writer_emits_rounded_score_and_flags() -> None:
    stream = io.StringIO()
    jsonl_writer(stream)([WIN])
    assert stream.getvalue() == (
        '{"file": "a.txt", "line": 3, "label": "SPAM", "score": 0.987654, "truncated": true, "disguised": true, '
        '"text": "win\\tbig\\n"}\n'
    )


def test_csv_writer_quotes_texts_and_writes_header() -> None:
    stream = io.StringIO()
    csv_writer(stream)([WIN, HELLO])
    assert stream.getvalue() == (
        "file,line,label,score,truncated,disguised,text\n"
        'a.txt,3,SPAM,0.987654,true,true,"win\tbig\n"\n'
        'b.txt,1,HAM,0.0,false,false,"say ""hi"", you"\n'
    )


@pytest.mark.parametrize("field", ["file", "label", "text"])
def test_csv_writer_quotes_carriage_returns(field: str) -> None:
    values = {"file": "f", "label": "HAM", "text": "hi"} | {field: "a\rb"}
    stream = io.StringIO(newline="")
    csv_writer(stream)(
        [(Message(values["text"], values["file"], 1), Prediction(values["label"], 0.25, truncated=False))]
    )
    [row] = csv.DictReader(io.StringIO(stream.getvalue(), newline=""))
    assert row[field] == "a\rb"


def test_text_writer_escapes_control_characters_in_labels() -> None:
    stream = io.StringIO()
    text_writer(stream)([(Message("hi", "f", 1), Prediction("SP\x1b\nAM", 1.0, truncated=False))])
    assert stream.getvalue() == "SP\\x1b\\nAM\t1.0000\thi\n"


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "\uff1d1"])
def test_spreadsheet_safe_csv_neutralises_formula_cells(cell: str) -> None:
    stream = io.StringIO(newline="")
    csv_writer(stream, spreadsheet_safe=True)([(Message(cell, cell, 1), Prediction("HAM", 0.25, truncated=False))])
    [row] = csv.DictReader(io.StringIO(stream.getvalue(), newline=""))
    assert (row["file"], row["text"], row["score"]) == (f"'{cell}", f"'{cell}", "0.25")


@given(TEXTS)
def test_escaped_csv_has_one_line_per_message(texts: list[str]) -> None:
    stream = io.StringIO()
    csv_writer(stream, escaped=True)(verdicts(texts))
    assert len(stream.getvalue().splitlines()) == len(texts) + 1
    assert not CONTROLS.search(stream.getvalue().replace("\n", ""))


@given(TEXTS)
def test_text_output_has_one_line_per_message(texts: list[str]) -> None:
    stream = io.StringIO()
    text_writer(stream, places=True)(verdicts(texts))
    output = stream.getvalue()
    assert len(output.splitlines()) == output.count("\n") == len(texts)
    assert all(line.count("\t") == 3 for line in output.splitlines())


@given(TEXTS)
def test_jsonl_output_round_trips_any_text(texts: list[str]) -> None:
    stream = io.StringIO()
    jsonl_writer(stream)(verdicts(texts))
    rows = [json.loads(line) for line in stream.getvalue().split("\n")[:-1]]
    assert [row["text"] for row in rows] == texts
    assert all(tuple(row) == FIELDS for row in rows)
    assert not CONTROLS.search(stream.getvalue().replace("\n", ""))


@given(TEXTS)
@example(["a\rb", "a\nb", "a\r\nb", '"', ",", " ", ""])
def test_csv_output_round_trips_any_text(texts: list[str]) -> None:
    stream = io.StringIO(newline="")
    csv_writer(stream)(verdicts(texts))
    rows = list(csv.DictReader(io.StringIO(stream.getvalue(), newline="")))
    assert [row["text"] for row in rows] == texts
