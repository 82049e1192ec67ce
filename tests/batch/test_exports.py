"""Message exports of phones and messengers as job inputs: sender and time are kept."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spam_edge.errors import InputError, JobError
from spam_edge.readers.windows import ReadOptions

from .conftest import RunJob, read_csv, read_jsonl

SMS = """<smses>
<sms address="+1" date="0" type="1" body="see you"/>
<sms address="+2" type="2" body="a&#10;b"/>
</smses>"""
SMS_ROWS = [["1970-01-01T00:00:00+00:00", "+1", "received", "see you"], ["", "+2", "sent", "a\nb"]]


def test_sms_backup_xml_keeps_time_address_and_type(tmp_path: Path, run_job: RunJob) -> None:
    (tmp_path / "in.xml.gz").write_bytes(pa.compress(SMS.encode(), "gzip", asbytes=True))
    (tmp_path / "in.xml").write_text(SMS)
    for source in ("in.xml", "in.xml.gz"):
        run_job(tmp_path / source, output=tmp_path / "out", part_rows=1, force=True)
        parts = sorted((tmp_path / "out").glob("part*.csv"))
        assert [read_csv(part)[0][:4] for part in parts] == [["time", "address", "type", "text"]] * 2
        assert [read_csv(part)[1][:4] for part in parts] == SMS_ROWS
    run_job(tmp_path / "in.xml", output=tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["text"].to_pylist() == ["see you", "a\nb"]
    run_job(tmp_path / "in.xml", output=tmp_path / "out.jsonl")
    assert read_jsonl(tmp_path / "out.jsonl")[0]["address"] == "+1"


def test_telegram_and_whatsapp_exports_keep_time_and_sender(tmp_path: Path, run_job: RunJob) -> None:
    (tmp_path / "result.json").write_text(json.dumps({"messages": [{"from": "Bob", "date": "now", "text": "hi"}]}))
    (tmp_path / "chat.txt").write_text("22/01/2020, 10:00 - Bob: hi\n")
    run_job(tmp_path / "result.json", output=tmp_path / "out.csv")
    assert read_csv(tmp_path / "out.csv")[1][:3] == ["now", "Bob", "hi"]
    with pytest.raises(InputError, match=r"chat\.txt has no format .*whatsapp.*--input-format"):
        run_job(tmp_path / "chat.txt", output=tmp_path / "chat.csv")
    run_job(tmp_path / "chat.txt", output=tmp_path / "chat.csv", reading=ReadOptions(input_format="whatsapp"))
    assert read_csv(tmp_path / "chat.csv")[1][:3] == ["22/01/2020, 10:00", "Bob", "hi"]


def test_bad_rows_of_sms_backup_are_listed_as_rejects(tmp_path: Path, run_job: RunJob) -> None:
    (tmp_path / "in.xml").write_text(SMS.replace("see you", "see &#55357;"))
    report = run_job(tmp_path / "in.xml", output=tmp_path / "out.csv", on_error="skip")
    assert (report.written, report.errors_by_reason) == (1, {"encoding": 1})
    assert [row["line"] for row in read_jsonl(tmp_path / "out.csv.rejects.jsonl")] == [2]


def test_json_and_xml_files_in_folders_are_ignored_unless_named(tmp_path: Path, run_job: RunJob) -> None:
    """Such files are often settings of other programs."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "package.json").write_text("{}")
    (tmp_path / "in" / "in.csv").write_text("text\nhi\n")
    assert run_job(tmp_path / "in", output=tmp_path / "out.csv").rows == 1
    with pytest.raises(InputError, match=r"package\.json is no JSON export of Telegram"):
        run_job(tmp_path / "in" / "*.json", output=tmp_path / "out")


def test_mail_files_are_refused_with_hint_to_classify(tmp_path: Path, run_job: RunJob) -> None:
    (tmp_path / "a.eml").write_text("Subject: hi\n\nhi\n")
    for reading in (ReadOptions(), ReadOptions(input_format="mail")):
        with pytest.raises(InputError, match=r"a\.eml has no format that batch reads .*mails with spam-edge classify"):
            run_job(tmp_path / "a.eml", output=tmp_path / "out", reading=reading)


@pytest.mark.parametrize("name", ["out.xml", "out.json"])
def test_export_formats_are_refused_as_outputs(tmp_path: Path, run_job: RunJob, name: str) -> None:
    (tmp_path / "in.xml").write_text(SMS)
    with pytest.raises(JobError, match=r"suffix of no format that batch writes"):
        run_job(tmp_path / "in.xml", output=tmp_path / name)
    assert not (tmp_path / name).exists()
