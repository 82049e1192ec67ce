"""Text files that look like another format are refused; ordinary text is read without needless delay."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.errors import InputError
from spam_edge.readers.format_detection import refuse_mail_source, refuse_other_formats
from spam_edge.readers.lines import LineSource
from spam_edge.readers.windows import ReadOptions, read_windows

FOREIGN = {
    "<?xml version='1.0'?>\nmore": "sms-xml",
    '<smses count="2">\nmore': "sms-xml",
    "<!-- made by the app -->\n<smses>": "sms-xml",
    "<!--\nc -->\n<?xml?>": "sms-xml",
    "<!-- c --><smses>\nmore": "sms-xml",
    "<!DOCTYPE html>\nmore": "HTML",
    '<html lang="en">\n<body>': "HTML",
    "<HTML><body>hi\nmore": "HTML",
    "[22/01/2020, 10:00:00] Bob: This\nmore": "--input-format whatsapp",
    "\u200e22/01/2020, 10:00 - Messages are encrypted\n22/01/2020, 10:00 - Bob: hi": "--input-format whatsapp",
    "From ann@example.net Mon Oct  3 08:32:30 2022\nmore": "an mbox",
    "Return-Path: <ann@example.net>\nSubject: hi": "--input-format mail",
    "Received: from mail.example.net\n\tby mx": "--input-format mail",
    "From: a@b\nTo: c@d": "--input-format mail",
    "Date: Mon, 3 Oct 2022 08:32:30\nSubject:": "--input-format mail",
    '{\n"name": "Chat"': "telegram",
    '[\n{"text": "hi"}': "telegram",
    '{"messages": [\n{': "telegram",
    '{"name": "x",\n"messages": [': "telegram",
    '[ {"text":"a"},\nmore': "telegram",
    '["a",\n"b"]': "telegram",
    '{"text": "hi"}\nmore': "--input-format jsonl",
    '[{"text": "hi"},\nmore': "telegram",
    '{"text": "hi"},\nmore': "--input-format jsonl",
    "id,text\n1,hi": "--input-format csv",
    "id, text\n1, hi": "--input-format csv",
    "id,text\n1,Hello, there": "--input-format csv",
    'id,text\n"1\nb",hi': "--input-format csv",
    "Message ID,Date,Text\n1,2024-01-02,hi": "--input-format csv",
    "from,sent-at,text\na,b,c": "--input-format csv",
    '"id","message text"\n"1","hi"': "--input-format csv",
    "id|text\n1|hi": "--input-format csv",
    "sep=;\nid;text": "--input-format csv",
    '"label"\t"SMS"\nham\thi': "--input-format csv or tsv",
    "id;Message;\n1;hi;": "--input-format csv",
    '<div class="message">\n<div class="text">WIN</div>': "HTML",
    "<div>\n  <p>WIN</p>": "HTML",
    '<head><meta charset="utf-8"/></head>\n<body>x</body>': "HTML",
    '<svg xmlns="http://x">\n<text>WIN</text></svg>': "HTML",
    "BEGIN:VCARD\nVERSION:3.0": "vCard.*CSV",
    "BEGIN:VCALENDAR\nVERSION:2.0": "iCalendar.*CSV",
    "BEGIN:VMSG\nVERSION:1.1": "vMessage.*CSV",
    "{\\rtf1\\ansi WIN}\nmore": "RTF; save it as plain text",
    "%!PS-Adobe-3.0 EPSF-3.0\nmore": "PostScript",
    "From: <Saved by Blink>\nSnapshot-Content-Location: x": "--input-format mail",
    "--\n-- MySQL dump\nINSERT INTO `sms` VALUES (1,'WIN');": "SQL; export",
    "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE sms (id, text);": "SQL; export",
    "---\n- text: WIN": "YAML; convert",
    "- text: WIN\n  label: spam": "YAML; convert",
    "2020/1/22 下午10:00 - Bob: hi\nmore": "--input-format whatsapp",
    "22.01.20 \u0433., 10:00 ч. - Bob: hi\nmore": "--input-format whatsapp",
    "10:00, 22/01/2020 - Bob: hi\nmore": "--input-format whatsapp",
    "22/01/2020, 10:00 - Bob:\nWIN": "--input-format whatsapp",
    "22/01/2020, 10:00 - Bob added Ann\n" * 50 + "22/01/2020, 10:01 - Bob: hi": "--input-format whatsapp",
    "[LINE] Chat history with Bob\nSaved on: 2020/01/01 10:00": "a chat",
    "Bob 님과 카카오톡 대화\n저장한 날짜 : 2020-01-01": "a chat",
    "==============\nGuild: x": "a chat",
    "Conversation: Bob\nFrom: Bob (+123)\nType: incoming-message": "a chat",
    "--- Log opened Wed Jan 01\n10:00 <Bob> WIN": "a chat",
    "[10:00:00] Bob: WIN\n[10:01:00] Ann: ok": "a chat",
    "[10:00:00] Bob: WIN\nnow\n[10:01:00] Ann: ok": "a chat",
    "[01-Jan-20 10:00 AM] Bob Lee: WIN\n[01-Jan-20 10:01 AM] Ann: ok": "a chat",
    "(2020-01-01T10:00:00Z) <Bob> WIN\n(2020-01-01T10:00:01Z) <Ann> ok": "a chat",
    "10:00 <Bob> WIN\n10:01 <@Ann> ok": "a chat",
    "10:00\tBob\tWIN\n10:01\tAnn\tok": "a chat",
    "[Bob] [오후 5:00] WIN\n[Ann] [오후 5:01] ok": "a chat",
    "10:00 Bob: WIN\n10:01 Ann: ok\n10:02 Bob: hi": "a chat",
    "<Bob> WIN\n<Ann> ok\n<Bob> hi": "a chat",
    "Jan  1 10:00:00 host app: x\nJan  1 10:00:01 host app: y\nJan  1 10:00:02 host app: z": "a chat or a log",
    "Jan 01, 2020  5:00:00 PM\nMe\nhello\nJan 01, 2020  5:01:00 PM": "a chat",
}


def write(folder: Path, content: str) -> Path:
    path = folder / "a.txt"
    path.write_bytes(content.encode())
    return path


@pytest.mark.parametrize(("content", "remedy"), FOREIGN.items())
def test_text_file_in_another_format_is_refused(tmp_path: Path, content: str, remedy: str) -> None:
    for end in ("\n", "\r\n"):
        path = write(tmp_path, f"\n{content}\n".replace("\n", end))
        with pytest.raises(InputError, match=rf"a\.txt looks like .*{remedy}.*--input-format text"):
            list(read_windows(path, ReadOptions()))
        [window] = read_windows(path, ReadOptions(input_format="text"))
        assert len(window.messages) == content.count("\n") + 1


@pytest.mark.parametrize(("content", "remedy"), FOREIGN.items())
def test_whole_file_option_refuses_only_mail_sources(tmp_path: Path, content: str, remedy: str) -> None:
    path = write(tmp_path, content)
    if remedy in ("an mbox", "--input-format mail"):
        with pytest.raises(InputError, match=rf"looks like .*{remedy}.*--input-format text"):
            list(read_windows(path, ReadOptions(whole_file=True)))
    else:
        [window] = read_windows(path, ReadOptions(whole_file=True))
        assert [message.text for message in window.messages] == [content]


@pytest.mark.parametrize(
    "line",
    [
        "see you at 5, text me",
        "WIN, now",
        "From: Bob, see you 10:00 in 2024",
        "From now on at 10:00 in 2024",
        "From Bob: see you at 10:00 in 2024",
        "{name}, you won",
        "[urgent] call me",
        "<3 you",
        "22/01/2020, 10:00 see you",
        "text",
        "Received your text: ok",
        "Received: 500 from Bob",
        "Received: your parcel",
        "[1]",
        "{}",
        "{",
        "[{ok}]",
        "Text,me",
        "text;",
        "Sms,ok",
        "body,mind",
        "<HTML> is a language",
        "[12/03/2024, 10:15] hi",
        "2024-01-02 10:00 - WINNER call now",
        "pick-up: 5pm",
        "[10:00:00] Bob: hi",
        "10:00 Bob: hi",
        "10:00 - 11:00 Bob: hi",
        "Jan 5 10:00 see http://a.b/c",
        "<Bob> hi",
        "<#> Your code is 5",
        "<p>Sale</p>",
        "<div> is a tag",
        "{\\o/} hi",
        "- note: 5",
        "---",
        "-- Bob",
        "Create table booking",
        "BEGIN:VCARD VERSION:3.0 FN:Bob",
        "Subject: your prize",
        "[LINE] Your code is 5",
        "==========",
        "%! now",
        "2020/1/22 下午10:00 WIN",
        "Jan 01, 2020  5:00:00 PM",
    ],
)
@pytest.mark.parametrize(
    "after", ["", "ok", "ok, see you", '5" pipe, 6', " indented", "drop-off: 6pm", "[ok]", "2024-01-02 10:01 - see you"]
)
def test_ordinary_text_is_not_taken_for_another_format(tmp_path: Path, line: str, after: str) -> None:
    path = write(tmp_path, f"{line}\n{after}\n")
    [window] = read_windows(path, ReadOptions())
    assert [message.text for message in window.messages] == [text for text in (line, after) if text]
    [window] = read_windows(path, ReadOptions(whole_file=True))
    assert len(window.messages) == 1


@pytest.mark.parametrize(
    "line",
    ["<#> Code 5", "<URL> hi", "<p> Sale", "10:00 see http://a.b", "1/2 price: WIN", "Team 5 Bob: hi", "2 for 1: buy"],
)
def test_messages_that_begin_alike_are_not_taken_for_chat(line: str) -> None:
    refuse_other_formats([f"{line}\n"] * 20, "in")


def test_chat_is_not_seen_in_few_lines_of_text() -> None:
    refuse_other_formats(["[10:00] Bob: hi\n", "ok\n", "see you\n", "[10:01] Ann: hi\n", "[10:02] Ann: hi\n"], "in")
    refuse_other_formats(["10:00 Bob: hi\n", "10:01 Ann: hi\n"], "in")


@given(st.lists(st.text(st.characters(codec="utf-8")).filter(str.strip), max_size=3))
@pytest.mark.parametrize("check", [refuse_other_formats, refuse_mail_source])
def test_format_checks_raise_only_input_errors(check: object, lines: list[str]) -> None:
    try:
        check(lines, "in")  # type: ignore[operator]
    except InputError as error:
        assert str(error).startswith("in looks like ")


@pytest.mark.parametrize("line", ["see you at 5", "WINNER, call now", "From Bob: hi", "<3 you", "at 10:00"])
def test_message_from_slow_pipe_is_returned_without_second_read(line: str) -> None:
    chunks = iter([f"{line}\n".encode()])
    lines = LineSource(lambda _: next(chunks), name="in", check=refuse_other_formats)  # a second read would raise
    assert next(lines) == f"{line}\n"


@pytest.mark.parametrize(
    "piece",
    ["<!--", "<html ", '["a",', '{"', "id,", "text|", "From ", '"', "[", " ", "1. ", "1/2/3", "Jan", "= ", "下"],
)
def test_format_checks_take_linear_time(piece: str) -> None:
    start = time.process_time()
    refuse_mail_source([piece * 100_000], "in")
    try:
        refuse_other_formats([piece * 100_000, piece * 100_000], "in")
    except InputError as error:
        assert str(error).startswith("in looks like ")
    assert time.process_time() - start < 5
