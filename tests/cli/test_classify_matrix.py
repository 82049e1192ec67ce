"""All combinations of input source, input format and output format, compared byte for byte."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result

from spam_edge import Prediction, RuntimeOptions, SpamClassifier

TEXTS = [
    "Free prize! Txt WIN to 88222 now, 150p/msg",
    'see you at 5, "ok"\tthen',
    "URGENT! You have won a prize. Call 09061701461",
    "ok, call me when you get home: ünï 👍",
]
Place = tuple[str, int]


def as_text(texts: list[str]) -> tuple[bytes, list[int]]:
    # Line numbers must count the blank line after each message.
    return ("\n\n".join(texts) + "\n").encode(), [1 + 2 * n for n in range(len(texts))]


def as_table(delimiter: str) -> Callable[[list[str]], tuple[bytes, list[int]]]:
    def write(texts: list[str]) -> tuple[bytes, list[int]]:
        stream = io.StringIO(newline="")
        csv.writer(stream, delimiter=delimiter).writerows([["id", "text"], *enumerate(texts)])
        return stream.getvalue().encode(), list(range(2, len(texts) + 2))

    return write


def as_jsonl(texts: list[str]) -> tuple[bytes, list[int]]:
    return "".join(json.dumps({"id": 1, "text": text}) + "\n" for text in texts).encode(), [*range(1, len(texts) + 1)]


def as_parquet(texts: list[str]) -> tuple[bytes, list[int]]:
    stream = io.BytesIO()
    pq.write_table(pa.table({"id": range(len(texts)), "text": texts}), stream)
    return stream.getvalue(), list(range(1, len(texts) + 1))


def as_sms_xml(texts: list[str]) -> tuple[bytes, list[int]]:
    rows = "".join(f"<sms type='1' body={quoteattr(text)}/>\n" for text in texts)
    return f"<?xml version='1.0'?>\n<smses>\n{rows}</smses>\n".encode(), list(range(3, len(texts) + 3))


def as_whatsapp(texts: list[str]) -> tuple[bytes, list[int]]:
    rows = "".join(f"22/01/2020, 10:00 - Bob: {text}\n" for text in texts)
    return rows.encode(), list(range(1, len(texts) + 1))


def as_telegram(texts: list[str]) -> tuple[bytes, list[int]]:
    rows = ",\n".join(json.dumps({"from": "Bob", "text": text}) for text in texts)
    return f'{{"messages": [\n{rows}\n]}}'.encode(), list(range(2, len(texts) + 2))


INPUTS: dict[str, Callable[[list[str]], tuple[bytes, list[int]]]] = {
    "text": as_text,
    "csv": as_table(","),
    "tsv": as_table("\t"),
    "jsonl": as_jsonl,
    "parquet": as_parquet,
    "sms-xml": as_sms_xml,
    "whatsapp": as_whatsapp,
    "telegram": as_telegram,
}
SUFFIXES = {"text": "txt", "sms-xml": "xml", "whatsapp": "txt", "telegram": "json"}


def expected_text(rows: list[tuple[Place, str, Prediction]], *, places: bool) -> str:
    def line(place: Place, text: str, prediction: Prediction) -> str:
        visible = text.replace("\t", "\\t")
        return f"{place[0]}:{place[1]}\t" * places + f"{prediction.label}\t{prediction.score:.4f}\t{visible}\n"

    return "".join(line(*row) for row in rows)


def expected_jsonl(rows: list[tuple[Place, str, Prediction]], *, places: bool) -> str:
    def line(place: Place, text: str, p: Prediction) -> str:
        values = {"file": place[0], "line": place[1], "label": p.label, "score": round(p.score, 6)}
        return json.dumps(values | {"truncated": False, "disguised": False, "text": text}, ensure_ascii=False) + "\n"

    return "".join(line(*row) for row in rows)


def expected_csv(rows: list[tuple[Place, str, Prediction]], *, places: bool) -> str:
    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text

    lines = [
        f"{file},{line},{p.label},{round(p.score, 6)},false,false,{quoted(text)}" for (file, line), text, p in rows
    ]
    return "\n".join(["file,line,label,score,truncated,disguised,text", *lines]) + "\n"


OUTPUTS = {"text": expected_text, "jsonl": expected_jsonl, "csv": expected_csv}


@pytest.fixture(scope="module")
def predictions(tiny_bundle: Path) -> Iterator[Callable[[list[str]], list[Prediction]]]:
    return SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cpu")).classify_batch


# Parquet is read from its end, so it cannot come from a pipe.
INPUT_CASES = [
    (way, name) for way in ("file", "files", "stdin") for name in INPUTS if (way, name) != ("stdin", "parquet")
]


@pytest.mark.parametrize("output_format", OUTPUTS)
@pytest.mark.parametrize(("way", "input_format"), INPUT_CASES)
def test_every_input_source_and_format_gives_exact_output(
    classify: Callable[..., Result],
    predictions: Callable[[list[str]], list[Prediction]],
    way: str,
    input_format: str,
    output_format: str,
) -> None:
    arguments, stdin, rows = [], b"", []
    for number, texts in enumerate([TEXTS[:3], TEXTS[3:]] if way == "files" else [TEXTS]):
        content, lines = INPUTS[input_format](texts)
        name = f"in{number}.{SUFFIXES.get(input_format, input_format)}"
        if way == "stdin":
            name, stdin = "<stdin>", content
            arguments += ["--input-format", input_format] + ["-"] * (output_format == "csv")
        else:
            Path(name).write_bytes(content)
            # The suffix does not identify WhatsApp exports.
            arguments += [name] + ["--input-format", "whatsapp"] * (input_format == "whatsapp")
        rows += zip([(name, line) for line in lines], texts, predictions(texts), strict=True)
    assert {prediction.label for _, _, prediction in rows} == {"HAM", "SPAM"}

    result = classify(*arguments, "--format", output_format, stdin=stdin)

    assert result.stdout == OUTPUTS[output_format](rows, places=way == "files")
    assert result.stderr == ""
    assert result.exit_code == 0
