"""Exports of messengers and phones are parsed into messages, never read line by line."""

# ruff: noqa: RUF001 - the times of many countries have confusable characters

import io
import json
import subprocess
import sys
import time
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spam_edge.errors import InputError
from spam_edge.readers import lines as lines_module
from spam_edge.readers import sms_backup, telegram, whatsapp
from spam_edge.readers.exports import EXPORTS
from spam_edge.readers.extraction import BadRow, CsvRecord
from spam_edge.readers.lines import LineSource
from spam_edge.readers.windows import ReadOptions, read_windows

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), min_size=1).filter(str.strip)


def records(name: str, content: str | bytes, *, encoding: str = "utf-8") -> list[CsvRecord | BadRow | None]:
    stream = io.BytesIO(content.encode() if isinstance(content, str) else content)
    return list(EXPORTS[name](LineSource(lambda _: stream.read(1000), name="in", encoding=encoding)).records)


def values(name: str, content: str | bytes) -> list[list[str]]:
    return [record.values for record in records(name, content) if isinstance(record, CsvRecord)]


def texts(name: str, content: str | bytes) -> list[str]:
    return [actual[-1] for actual in values(name, content)]


def backup(*elements: str, head: str = "<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>") -> str:
    return "\n".join([head, f'<smses count="{len(elements)}">', *elements, "</smses>"])


def sms(body: str, **others: str) -> str:
    return "<sms " + " ".join(f"{name}={quoteattr(value)}" for name, value in others.items()) + f" body={body} />"


class TestSmsBackup:
    def test_messages_have_time_address_and_direction(self) -> None:
        content = backup(
            sms('"see you"', address="+1555", date="1400000000000", type="1"),
            sms('"ok"', address="+1555", date="soon", type="2"),
            sms('"null"'),
            sms('""'),
        )
        actual = records("sms-xml", content)
        assert actual == [
            CsvRecord(["2014-05-13T16:53:20+00:00", "+1555", "received", "see you"], 3),
            CsvRecord(["soon", "+1555", "sent", "ok"], 4),
            CsvRecord(["", "", "", "null"], 5),  # may be the text of a real message
            None,
        ]
        assert datetime.fromtimestamp(1_400_000_000, UTC).isoformat() == actual[0].values[0]  # type: ignore[union-attr]

    def test_mms_subject_and_text_parts_are_read(self) -> None:
        parts = '<part ct="image/png" data="AAAA" text="no"/><part ct="text/plain" text="WIN"/>'
        parts += '<part ct="Text/plain; charset=utf-8" text="now"/>'
        content = backup(f'<mms date="0" address="+1" msg_box="1" sub="Prize">\n<parts>{parts}\n</parts>\n</mms>')
        assert records("sms-xml", content) == [
            CsvRecord(["1970-01-01T00:00:00+00:00", "+1", "received", "Prize\nWIN\nnow"], 3)
        ]

    @pytest.mark.parametrize(
        "part",
        [
            'ct="text/html" text="&lt;p&gt;caf\xe9&lt;/p&gt;"',
            'ct="text/plain" text="null" data="Y2Fmw6k="',
            'ct="text/html" data="PHA+Y2Fm w6k8L3A+"',
            'ct="text/plain" text="caf\xe9" data="null"',
        ],
    )
    def test_html_and_data_attribute_of_mms_are_read(self, part: str) -> None:
        assert texts("sms-xml", backup(f"<mms><part {part}/></mms>")) == ["caf\xe9"]

    @pytest.mark.parametrize(
        ("part", "reason"),
        [
            ('ct="text/plain" data="####"', "data of the text is not base64 of UTF-8; export it again"),
            ('ct="text/plain" data="6Q=="', "data of the text is not base64 of UTF-8; export it again"),
            ('ct="text/plain" data="YQBiAA=="', "data of the text is not base64 of UTF-8; export it again"),
            ('ct="text/html" text="&lt;p WINNER"', "the HTML of the message has no end; export it again"),
        ],
    )
    def test_unreadable_mms_part_makes_only_its_message_bad(self, part: str, reason: str) -> None:
        bad, good = records("sms-xml", backup(f"<mms>\n<part {part}/></mms>", sms('"fine"')))
        assert isinstance(bad, BadRow)
        assert (bad.line, reason in bad.reason) == (3, True)
        assert isinstance(good, CsvRecord)

    @pytest.mark.parametrize("declared", ["3", "0003"])
    def test_backup_with_fewer_messages_than_declared_is_refused(self, declared: str) -> None:
        content = backup(sms('"hi"'), "<mms/>").replace('count="2"', f'count="{declared}"')
        with pytest.raises(
            InputError, match=r"in has fewer messages than it says \(2 of 3\); export it again, or corr"
        ):
            records("sms-xml", content)

    @pytest.mark.parametrize("declared", ["1", "2", "", "many", "9" * 5000])
    def test_other_message_counts_are_accepted(self, declared: str) -> None:
        content = backup(sms('"hi"'), "<mms/>").replace('count="2"', f'count="{declared}"')
        assert texts("sms-xml", content) == ["hi"]

    @given(st.lists(TEXTS), st.booleans())
    @example(["null"], False)
    def test_any_text_survives_round_trip(self, bodies: list[str], as_pairs: bool) -> None:
        """The app writes an emoji as two surrogate references, which XML parsers refuse."""

        def reference(body: str) -> str:
            units = body.encode("utf-16-le")
            pairs = [int.from_bytes(units[place : place + 2], "little") for place in range(0, len(units), 2)]
            return '"' + "".join(f"&#{unit};" for unit in pairs) + '"'

        content = backup(*(sms(reference(body) if as_pairs else quoteattr(body)) for body in bodies))
        assert texts("sms-xml", content) == bodies

    def test_hexadecimal_references_and_line_breaks_are_decoded(self) -> None:
        assert texts("sms-xml", backup(sms('"a&#xD83D;&#xDE06;b&#10;c"'))) == ["a\U0001f606b\nc"]

    @pytest.mark.parametrize("body", ["&#55357;", "&#xDE06;&#xD83D;", "a&#0;", "&#9999999;", "\x01", "\0"])
    def test_invalid_character_makes_only_its_message_bad(self, body: str) -> None:
        bad, good = records("sms-xml", backup(sms(f'"see {body}"'), sms('"fine"')))
        assert isinstance(bad, BadRow)
        assert (bad.line, bad.kind) == (3, "encoding")
        assert bad.reason == (
            "the text has bytes that are not utf-8, or a reference to no character; remove them, or export it again"
        )
        assert isinstance(good, CsvRecord)

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-8", "utf-16-le"])
    @pytest.mark.parametrize("declared", ["UTF-8", "UTF-16", "iso-8859-1"])
    def test_byte_order_mark_overrides_declared_encoding(self, encoding: str, declared: str) -> None:
        content = "\ufeff" + backup(sms('"caf\xe9"'), head=f'<?xml version="1.0" encoding="{declared}"?>')
        [actual] = records("sms-xml", content.encode("utf-16-le" if "16" in encoding else "utf-8"), encoding=encoding)
        assert isinstance(actual, CsvRecord)
        assert actual.values[-1] == "caf\xe9"

    def test_invalid_bytes_make_only_their_message_bad(self) -> None:
        bad, good = records("sms-xml", backup(sms('"caf\xe9"'), sms('"fine"')).encode("latin-1"))
        assert isinstance(bad, BadRow)
        assert isinstance(good, CsvRecord)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ('<!DOCTYPE x [<!ENTITY a "aaaa">]><smses><sms body="&a;"/></smses>', "declares a document type"),
            ('<!DOCTYPE smses SYSTEM "file:///etc/passwd"><smses/>', "declares a document type"),
            ("<calls><call/></calls>", "no backup of SMS Backup & Restore .*begins with <calls>, not <smses>"),
            ('<smses>\n<sms body="a"/>', "line 2: the XML is not well formed .*; export it again"),
            ('<smses>\n<sms body="a>\n</smses>', "line [23]: the XML is not well formed"),
            ("", "line 1: the XML is not well formed"),
            ('<smses>\n<sms body="&a;"/></smses>', "line 2: .*undefined entity"),
            ('<?xml version="1.0" encoding="iso-8859-1"?><smses/>', "encoding is iso-8859-1; use --encoding iso8859-1"),
        ],
    )
    def test_invalid_backup_is_refused_with_reason(self, content: str, reason: str) -> None:
        with pytest.raises(InputError, match=f"in.*{reason}"):
            records("sms-xml", content)

    def test_too_long_element_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sms_backup, "LONGEST_LINE", 1000)
        with pytest.raises(InputError, match="an element is longer than 1,000 characters"):
            records("sms-xml", '<smses><sms body="' + "a\n" * 2000)
        assert len(texts("sms-xml", backup(*[sms('"a"')] * 2000))) == 2000

    @pytest.mark.parametrize("begin", ['<sms body="', "<!-- "])
    def test_long_tag_or_comment_is_parsed_in_linear_time(self, begin: str) -> None:
        end = '" />' if begin.startswith("<sms") else "-->"
        start = time.process_time()
        content = backup(begin + "aaaaaaaa\n" * 100_000 + end, sms('"hi"')).replace(' count="2"', "")
        actual = records("sms-xml", content)
        assert time.process_time() - start < 5
        assert isinstance(actual[-1], CsvRecord)
        assert actual[-1].line == 100_004

    def test_too_long_line_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lines_module, "LONGEST_LINE", 100)
        with pytest.raises(InputError, match="line 3 is longer than 100 characters"):
            records("sms-xml", backup(sms('"' + "a" * 200 + '"')))


IPHONE = "[22/01/2020, 10:00:00] Bob: This is spread\nover lines\r\n\u200e[22/01/2020, 10:01:00] Alice: free: prize\r\n"
ANDROID = "22/01/2020, 10:00 - Messages are encrypted\n22/01/2020, 10:00 - Bob: hi\n22/01/2020, 10:01 - Al joined\n"


class TestWhatsApp:
    def test_iphone_and_android_exports_are_read(self) -> None:
        assert records("whatsapp", IPHONE) == [
            CsvRecord(["22/01/2020, 10:00:00", "Bob", "This is spread\nover lines"], 1),
            CsvRecord(["22/01/2020, 10:01:00", "Alice", "free: prize"], 3),
        ]
        assert records("whatsapp", ANDROID) == [None, CsvRecord(["22/01/2020, 10:00", "Bob", "hi"], 2), None]

    @pytest.mark.parametrize(
        "time",
        [
            "1/22/20, 10:00 AM -",
            "1/22/20, 10:00\u202fPM -",
            "22.01.20, 10:00 -",
            "2020-01-22, 10:00 -",
            "22/01/2020 10:00 -",
            "22/01/2020 à 10:00 -",
            "22/1/20, 10:00 p. m. -",
            "[22.01.20, 10:00:00]",
            "\u200e[1/22/20, 10:00:00\u202fAM]",
            "\u200f[22/01/2020, 10.00.00]",
            "2020/1/22 下午10:00 -",
            "[2020/1/22 下午10:00:05]",
            "2020/1/22, 10:00 下午 -",
            "2020年1月22日 10:00 -",
            "2020/01/22(水) 10:00 -",
            "2020. 1. 22. 오후 10:00,",
            "[2020. 1. 22. 오후 10:00:05]",
            "2020. 01. 22. 10:00 -",
            "22. 1. 2020 10:00 -",
            "22.01.2020. 10:00 -",
            "22.1.2020. 10.00 -",
            "22.01.20 г., 10:00 ч. -",
            "22/1/20, 10:00 π.μ. -",
            "22/1/20 10:00 पूर्वाह्न -",
            "٢٢/١/٢٠٢٠، ١٠:٠٠ م -",
            "\u200f22\u200f/1\u200f/2020، 10:00 م -",
            "۱۳۹۸/۱۱/۲،\u200f ۱۰:۰۰ -",
            "22.1.20, 10:00 e paradites -",
            "10:00, 22/01/2020 -",
            "22/01/2020, 10:00 \u2013 ",
        ],
    )
    def test_time_formats_of_many_countries_are_recognised(self, time: str) -> None:
        [[_, sender, text]] = values("whatsapp", f"{time} +1 555: hi\n")
        assert (sender, text) == ("+1 555", "hi")

    @pytest.mark.parametrize(
        "line",
        ["2020/1/22 is free", "22/01/2020 10:00 tomorrow - at Bob: 5", "22.01.2020 10:00, room: 5", "10:00 - Bob: 5"],
    )
    def test_line_with_other_text_at_time_goes_on_with_message(self, line: str) -> None:
        assert texts("whatsapp", f"22/01/2020, 10:00 - Bob: hi\n{line}\n") == [f"hi\n{line}"]

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\u00a0", "\u200e"])
    def test_text_after_colon_and_any_space_is_read(self, end: str) -> None:
        assert values("whatsapp", f"22/01/2020, 10:00 - \u200eBob:{end}WIN\n") == [["22/01/2020, 10:00", "Bob", "WIN"]]

    def test_several_lines_without_sender_are_bad_row(self) -> None:
        bad, good = records("whatsapp", f"{ANDROID}more\n22/01/2020, 10:00 - Bob: hi\n")[-2:]
        assert isinstance(bad, BadRow)
        assert (bad.line, bad.kind) == (3, "sender")
        assert "the message has no sender; WhatsApp exports begin like" in bad.reason
        assert isinstance(good, CsvRecord)

    def test_line_without_colon_takes_linear_time(self) -> None:
        start = time.process_time()
        records("whatsapp", f"{ANDROID}22/01/2020, 10:00 - {' ' * 1_000_000}x\n")
        assert time.process_time() - start < 5

    @given(st.lists(TEXTS.filter(lambda text: not any(map(whatsapp.begins_message, text.split("\n"))))))
    def test_any_text_survives_round_trip(self, bodies: list[str]) -> None:
        assert texts("whatsapp", "".join(f"22/01/2020, 10:00 - Bob: {body}\n" for body in bodies)) == bodies

    def test_invalid_bytes_make_only_their_message_bad(self) -> None:
        content = ANDROID.encode() + b"22/01/2020, 10:00 - Bob: caf\nf\xe9\n" + IPHONE.encode()
        bad = [record for record in records("whatsapp", content) if isinstance(record, BadRow)]
        assert [(row.line, row.kind) for row in bad] == [(4, "encoding")]
        assert len(values("whatsapp", content)) == 3

    def test_too_long_message_is_bad_row(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(whatsapp, "LONGEST_LINE", 100)
        [bad] = records("whatsapp", "22/01/2020, 10:00 - Bob: hi\n" + "more\n" * 100)
        assert isinstance(bad, BadRow)
        assert "longer than 100 characters" in bad.reason

    @pytest.mark.parametrize("time", ["2024-01-02 10:00 -", "[12/03/2024, 10:15]"])
    def test_export_without_sender_is_refused(self, time: str) -> None:
        with pytest.raises(InputError, match="in: no message has a sender; WhatsApp exports begin like"):
            records("whatsapp", f"{time} WINNER call now\n{time} see you\n")

    def test_text_before_first_message_is_refused(self) -> None:
        with pytest.raises(InputError, match="in, line 2: no time and sender; WhatsApp exports begin like"):
            records("whatsapp", "\nhello\n" + IPHONE)


def chat(*messages: object) -> dict[str, object]:
    return {"name": "Chat {", "type": "personal_chat", "messages": list(messages)}


class TestTelegram:
    def test_messages_have_time_sender_and_text(self) -> None:
        link = ["win ", {"type": "link", "text": "http://x.y"}]
        content = json.dumps(
            chat({"id": 1, "date": "2024-05-03T10:00:00", "from": "Bob", "text": "hi"}, {"text": link}, {"text": ""}),
            indent=1,
        )
        assert records("telegram", content) == [
            CsvRecord(["2024-05-03T10:00:00", "Bob", "hi"], 5), CsvRecord(["", "", "win http://x.y"], 11), None
        ]  # fmt: skip

    @given(bodies=st.lists(TEXTS), escaped=st.booleans(), indent=st.sampled_from([None, 0, 1, 4]))
    def test_any_text_survives_round_trip(self, bodies: list[str], escaped: bool, indent: int | None) -> None:
        messages = [{"reply": {"messages": [{"text": "no"}]}, "text": [body, {"text": "}"}]} for body in bodies]
        everything = {"chats": {"about": "x", "list": [chat(*messages), chat(), chat({"text": 'a"]'})]}}
        for whole in (chat(*messages, {"text": 'a"]'}), everything):
            content = json.dumps(whole, indent=indent, ensure_ascii=escaped)
            assert texts("telegram", content) == [*(f"{body}}}" for body in bodies), 'a"]']

    def test_invalid_message_makes_only_itself_bad(self) -> None:
        rows = ['{"text": 5}', '{"text": [null]}', '{"text": "\\ud800"}', '{"text" "x"}', '{"text": "hi"}']
        actual = records("telegram", '{"messages": [\n' + ",\n".join(rows) + "\n]}")
        assert [record.line for record in actual if isinstance(record, BadRow)] == [2, 3, 4, 5]
        assert actual[-1] == CsvRecord(["", "", "hi"], 6)

    def test_invalid_bytes_make_only_their_message_bad(self) -> None:
        content = json.dumps(chat({"text": "f\xe9"}, {"text": "hi"}), indent=1, ensure_ascii=False).encode("latin-1")
        bad, good = records("telegram", content)
        assert isinstance(bad, BadRow)
        assert "is not utf-8" in bad.reason
        assert isinstance(good, CsvRecord)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ('[{"text": "hi"}]', "is no JSON export of Telegram.*--input-format jsonl; split an array with"),
            ('{"text": "hi"}\n{"text": "you"}\n', "is no JSON export of Telegram"),
            ("", "is no JSON export of Telegram"),
            ('{"messages": [{"sender_name": "A", "content": "WINNER"}]}', "is no JSON export of Telegram"),
            ('{"messages": [{"text": "hi"}]}\nWINNER', "line 2: there is text after the end"),
            ('{"messages": [{"text": "hi"}]} []', "line 1: there is text after the end"),
            ('{"messages": [\n{"text": "hi}]}', "line 2: a string has no end"),
            ('{"messages": [{"text": "hi"}', "the JSON ends too soon; is the file complete"),
            ('{"messages": [{"text": "hi"}}', "line 1: invalid JSON"),
            ('{"messages": [' + '{"a": [' * 100, "line 1: the JSON is nested too deeply"),
        ],
    )
    def test_invalid_export_is_refused_with_reason(self, content: str, reason: str) -> None:
        with pytest.raises(InputError, match=f"in.*{reason}"):
            records("telegram", content)

    @pytest.mark.parametrize("item", ['"WINNER"', "1", "null", '["WINNER"]', '{"content": "WINNER"}'])
    def test_item_other_than_message_is_bad_row(self, item: str) -> None:
        actual = records("telegram", f'{{"messages": [\n{{"text": "a"}},\n{item},\n{{"text": "b"}}]}}')
        assert [type(record) for record in actual] == [CsvRecord, BadRow, CsvRecord]
        assert actual[1].line == 3  # type: ignore[union-attr]
        assert records("telegram", '{"messages": []}') == []

    @pytest.mark.parametrize("piece", ['\\"', '"', "a"])
    def test_unclosed_string_is_scanned_in_linear_time(self, piece: str) -> None:
        start = time.process_time()
        with pytest.raises(InputError):
            records("telegram", '{"messages": [{"text": "' + piece * 100_001)
        assert time.process_time() - start < 5

    def test_long_string_is_read_with_bounded_memory(self) -> None:
        content = b'{"messages": [{"text": "' + b"a" * 1_000_000 + b'"}]}'
        pieces = iter([content, b""])
        tracemalloc.start()
        [actual] = EXPORTS["telegram"](LineSource(lambda _: next(pieces), name="in")).records
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert isinstance(actual, CsvRecord)
        assert peak < 15_000_000

    @pytest.mark.parametrize("mark", ["", "\ufeff"])
    def test_suggested_command_splits_json_array(self, tmp_path: Path, mark: str) -> None:
        with pytest.raises(InputError) as caught:
            records("telegram", "[]")
        command = str(caught.value).split("split an array with: ")[1].replace("python3", sys.executable)
        (tmp_path / "FILE").write_text(f'{mark}[{{"text": "hi"}}, {{"text": "you"}}]')
        subprocess.run(command, shell=True, cwd=tmp_path, check=True)
        [window] = read_windows(tmp_path / "NEW.jsonl", ReadOptions())
        assert [message.text for message in window.messages] == ["hi", "you"]

    def test_too_long_message_is_skipped_with_bounded_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(telegram, "LONGEST_LINE", 10_000)
        pieces = iter([b'{"messages": [{"text": "', *[b'a",\n"b": "' + b"b" * 1000] * 5_000, b'"}]}', b""])
        tracemalloc.start()
        [bad] = EXPORTS["telegram"](LineSource(lambda _: next(pieces), name="in")).records
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert isinstance(bad, BadRow)
        assert "longer than 10,000 characters" in bad.reason
        assert peak < 2_000_000


def test_text_column_of_export_cannot_be_changed(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(backup(sms('"hi"')))
    [window] = read_windows(tmp_path / "a.xml", ReadOptions(text_column="text"))
    assert [message.text for message in window.messages] == ["hi"]
    with pytest.raises(InputError, match="the text of sms-xml is always in the column 'text'; leave --text-column out"):
        list(read_windows(tmp_path / "a.xml", ReadOptions(text_column="body")))


def test_delimiter_option_is_refused_for_text_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hi\n")
    with pytest.raises(InputError, match=r"a\.txt: --delimiter is for CSV and TSV; set --input-format csv"):
        list(read_windows(tmp_path / "a.txt", ReadOptions(delimiter=";")))
