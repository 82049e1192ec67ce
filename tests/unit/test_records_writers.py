"""Writing: each format gives one record per message and loses nothing."""

import csv
import io
import json

from hypothesis import example, given
from hypothesis import strategies as st

from spam_edge.classifier import Prediction
from spam_edge.rows import Message
from spam_edge.writers import FIELDS, Verdict, csv_writer, jsonl_writer, one_line, text_writer

TEXTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=30))
WIN = (Message("win\tbig\n", "a.txt", 3), Prediction("SPAM", 0.98765432, truncated=True, disguised=True))
HELLO = (Message('say "hi", you', "b.txt", 1), Prediction("HAM", 0.0, truncated=False))


def verdicts(texts: list[str]) -> list[Verdict]:
    return [(Message(text, "f", line), Prediction("HAM", 0.25, truncated=False)) for line, text in enumerate(texts)]


def test_text() -> None:
    stream = io.StringIO()
    text_writer(stream)([WIN, HELLO])
    assert stream.getvalue() == 'SPAM\t0.9877\twin\\tbig\\n\nHAM\t0.0000\tsay "hi", you\n'


def test_text_with_places_and_style() -> None:
    stream = io.StringIO()
    text_writer(stream, places=True, style=lambda label: f"*{label}*")([HELLO])
    assert stream.getvalue() == 'b.txt:1\t*HAM*\t0.0000\tsay "hi", you\n'


def test_jsonl() -> None:
    stream = io.StringIO()
    jsonl_writer(stream)([WIN])
    assert stream.getvalue() == (
        '{"file": "a.txt", "line": 3, "label": "SPAM", "score": 0.987654, "truncated": true, "disguised": true, '
        '"text": "win\\tbig\\n"}\n'
    )


def test_csv() -> None:
    stream = io.StringIO()
    csv_writer(stream)([WIN, HELLO])
    assert stream.getvalue() == (
        "file,line,label,score,truncated,disguised,text\n"
        'a.txt,3,SPAM,0.987654,true,true,"win\tbig\n"\n'
        'b.txt,1,HAM,0.0,false,false,"say ""hi"", you"\n'
    )


def test_what_could_mislead_a_terminal_is_shown() -> None:
    assert one_line("a\x1b[2Jb\x85c\u2028d\u202ee\r") == "a\\x1b[2Jb\\x85c\\u2028d\\u202ee\\r"
    assert one_line("👩\u200d🚀 ünï \\n") == "👩\u200d🚀 ünï \\n"


@given(TEXTS)
def test_text_is_one_line_per_message(texts: list[str]) -> None:
    stream = io.StringIO()
    text_writer(stream, places=True)(verdicts(texts))
    written = stream.getvalue()
    assert len(written.splitlines()) == written.count("\n") == len(texts)
    assert all(line.count("\t") == 3 for line in written.splitlines())


@given(TEXTS)
def test_jsonl_loses_nothing(texts: list[str]) -> None:
    stream = io.StringIO()
    jsonl_writer(stream)(verdicts(texts))
    rows = [json.loads(line) for line in stream.getvalue().split("\n")[:-1]]
    assert [row["text"] for row in rows] == texts
    assert all(tuple(row) == FIELDS for row in rows)


@given(TEXTS)
@example(["a\rb", "a\nb", "a\r\nb", '"', ",", " ", ""])
def test_csv_loses_nothing(texts: list[str]) -> None:
    stream = io.StringIO(newline="")
    csv_writer(stream)(verdicts(texts))
    rows = list(csv.DictReader(io.StringIO(stream.getvalue(), newline="")))
    assert [row["text"] for row in rows] == texts
