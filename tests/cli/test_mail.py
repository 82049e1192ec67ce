"""Mail files on the command line: only the subject and the body are classified."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]
HEADERS = "Return-Path: <ann@example.net>\n" + "".join(
    f"Received: from mail{hop}.example.net (mail{hop}.example.net [192.0.2.{hop}])\n\tby mx.example.org\n"
    for hop in range(9)
)
SPAM, HAM = "WINNER!! Call 09061701461 to claim your prize", "see you at 5 then"


@pytest.fixture
def mails(folder: Path) -> None:
    (folder / "ham.eml").write_text(f"{HEADERS}Subject: lunch\n\n{HAM}\n")
    body = base64.b64encode(SPAM.encode()).decode()
    (folder / "spam.eml").write_text(f"{HEADERS}Subject: hi\nContent-Transfer-Encoding: base64\n\n{body}\n")


@pytest.mark.usefixtures("mails")
@pytest.mark.parametrize("options", [[], ["--whole-file"], ["--input-format", "mail"]])
def test_mail_subject_and_body_are_classified_without_headers(classify: Run, options: list[str]) -> None:
    result = classify("--fail-on-spam", *options, "ham.eml", "spam.eml")
    rows = [line.split("\t")[:2] + line.split("\t")[3:] for line in result.stdout.splitlines()]
    assert rows == [["ham.eml:1", "HAM", rf"lunch\n{HAM}"], ["spam.eml:1", "SPAM", rf"hi\n{SPAM}"]]
    assert (result.exit_code, result.stderr) == (3, "")
    assert classify("--fail-on-spam", *options, "ham.eml").exit_code == 0


@pytest.mark.usefixtures("mails")
def test_mail_on_stdin_requires_mail_input_format(classify: Run, folder: Path) -> None:
    content = (folder / "spam.eml").read_bytes()
    for options in ([], ["--whole-file"]):
        result = classify(*options, stdin=content)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "<stdin> looks like a mail; read it with --input-format mail" in result.stderr
    assert classify("--input-format", "mail", stdin=content).stdout.startswith("SPAM\t")


def test_help_shows_example_for_mail_files(run: Run) -> None:
    help_text = run("classify", "--help").stdout
    assert "--fail-on-spam mail/*.eml" in help_text
    assert "--whole-file --fail-on-spam" not in help_text
