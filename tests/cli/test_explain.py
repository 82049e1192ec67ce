"""``spam-edge explain``."""

import json
import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.cli.explain import _paint, explain
from tests.support.timeouts import TIMEOUT

Run = Callable[..., Result]
TEXT = "see you at 5 then 09061701461"


@pytest.fixture
def command(run: Run) -> Run:
    return lambda *arguments, stdin=b"": run("explain", "--device", "cpu", *arguments, stdin=stdin)


def test_table_shows_influence_and_position_of_each_word(command: Run, tiny_bundle: Path) -> None:
    expected = SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cpu")).explain(TEXT)
    result = command(TEXT)
    assert (result.exit_code, result.stderr) == (0, "")
    verdict, header, *rows = result.stdout.splitlines()
    assert verdict == f"{expected.label}\t{expected.score:.4f}\tthreshold {expected.threshold:.4f}"
    assert header.split() == ["margin", "score", "place", "word"]
    assert [row.split() for row in rows] == [
        [f"{word.margin:+.4f}", f"{word.score:+.4f}", f"{word.start}-{word.end}", word.text] for word in expected.words
    ]


def test_json_output_equals_library_explanation(command: Run, tiny_bundle: Path) -> None:
    expected = SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cpu")).explain(TEXT)
    assert json.loads(command("--json", TEXT).stdout) == json.loads(json.dumps(expected.to_dict()))


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_standard_input_is_explained_as_one_message(command: Run, arguments: list[str]) -> None:
    stdin = "see you\r\nat 5\tthen ü\n".encode()
    assert json.loads(command("--json", *arguments, stdin=stdin).stdout)["words"][-1]["text"] == "ü"
    words = command(*arguments, stdin=stdin).stdout.splitlines()[2:]
    assert [row.split()[2:] for row in words] == [
        ["0-3", "see"], ["4-7", "you"], ["9-11", "at"], ["12-13", "5"], ["14-18", "then"], ["19-20", "ü"],
    ]  # fmt: skip


@pytest.mark.parametrize("stdin", [b"", b"\n", b" \t "])
def test_empty_message_gives_table_without_words(command: Run, stdin: bytes) -> None:
    result = command(stdin=stdin)
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 2)
    assert command("").stdout.splitlines()[1:] == result.stdout.splitlines()[1:]


def test_control_characters_are_escaped_in_table(command: Run) -> None:
    assert command("a\x1b[31mb").stdout.splitlines()[2].endswith("a\\x1b[31mb")


def test_invalid_utf8_prints_one_line_error(command: Run) -> None:
    result = command(stdin=b"a\xffb")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == ("Error: <stdin>: byte 0xff at position 2 of line 1 is not utf-8; convert it to utf-8\n")


def test_long_message_prints_truncation_notice(command: Run) -> None:
    result = command("see you at 5 then, " * 40)
    assert "only its beginning is shown" in result.stderr
    assert len(result.stdout.splitlines()) < 34


def test_stronger_influence_gets_deeper_colour() -> None:
    painted = [_paint("word", strength) for strength in (-1.0, -0.3, -0.05, 0.05, 0.3, 1.0)]
    assert painted[2:4] == ["word", "word"]
    assert [re.findall(r"48;5;(\d+)", text) for text in painted] == [["46"], ["157"], [], [], ["217"], ["196"]]


def _run_on_terminal(arguments: list[str], environment: dict[str, str]) -> str:
    parent, child = pty.openpty()
    try:
        command = [sys.executable, "-m", "spam_edge", "explain", "--device", "cpu", *arguments]
        completed = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=child, check=False, timeout=TIMEOUT
        )
        assert completed.returncode == 0
        return os.read(parent, 65536).decode()
    finally:
        os.close(parent)
        os.close(child)


@pytest.mark.skipif(os.name != "posix", reason="terminals of POSIX")
def test_terminal_output_is_coloured_unless_no_color_is_set(tiny_bundle: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environment |= {"SPAM_EDGE_MODEL": str(tiny_bundle), "PYTHONPATH": str(Path(__file__).parents[2])}
    shown = _run_on_terminal([TEXT], environment)
    assert re.search(r"\x1b\[38;5;16m\x1b\[48;5;196m09061701461\x1b\[0m", shown)
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()[1] == TEXT
    plain = _run_on_terminal([TEXT], environment | {"NO_COLOR": "1"})
    assert "\x1b" not in plain
    assert "margin" in plain


def test_help_examples_are_accepted_by_parser(command: Run) -> None:
    text = command("--help").stdout.split("Examples:")[1]
    examples = re.findall(r"spam-edge explain (.*?)(?: <.*)?$", text, re.MULTILINE)
    assert examples
    for line in examples:
        explain.make_context("explain", shlex.split(line))
