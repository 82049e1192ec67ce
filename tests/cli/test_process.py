"""The command as a subprocess: pipes, terminals, signals, memory, start-up."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from spam_edge import RuntimeOptions
from tests.support.memory import MIB, needs_proc, peak_of_command
from tests.support.timeouts import TIMEOUT, wait_until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and terminals of POSIX")

COMMAND = [sys.executable, "-m", "spam_edge"]
CLASSIFY = [*COMMAND, "classify", "--device", "cpu", "--threads", "1"]
SPAM = "Free prize! Txt WIN to 88222 now, 150p/msg\n"
HAM = "see you at 5 then\n"


@pytest.fixture
def environment(tiny_bundle: Path) -> Mapping[str, str]:
    # Do not depend on the user's colour and buffering settings or on the current directory.
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "PYTHONUNBUFFERED"}}
    return kept | {"SPAM_EDGE_MODEL": str(tiny_bundle), "PYTHONPATH": str(Path(__file__).parents[2])}


@contextmanager
def running_command(
    arguments: list[str], environment: Mapping[str, str], folder: Path
) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        arguments,
        env=environment,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def next_line(stream: IO[str]) -> str:
    """Return the next line; fail the test after a timeout."""
    assert select.select([stream], [], [], TIMEOUT)[0], "no line came"
    return stream.readline()


def test_interactive_pipe_receives_each_verdict_immediately(environment: Mapping[str, str], tmp_path: Path) -> None:
    with running_command(CLASSIFY, environment, tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for message, label in [(SPAM, "SPAM"), (HAM, "HAM"), (SPAM, "SPAM")]:
            process.stdin.write(message)
            assert next_line(process.stdout).split("\t")[0] == label
        process.stdin.close()
        assert process.wait(TIMEOUT) == 0


@pytest.mark.parametrize("output_format", ["text", "jsonl", "csv"])
def test_pipe_closed_by_reader_mid_output_exits_cleanly(
    environment: Mapping[str, str], tmp_path: Path, output_format: str
) -> None:
    (tmp_path / "in.txt").write_text(HAM * 20_000)
    with running_command([*CLASSIFY, "in.txt", "--format", output_format], environment, tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        next_line(process.stdout)
        process.stdout.close()
        assert process.wait(TIMEOUT) == 0
        assert process.stderr.read() == ""


@pytest.mark.parametrize("arguments", [["classify", "in.txt"], ["info"]])
def test_pipe_closed_before_output_exits_cleanly(
    environment: Mapping[str, str], tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / "in.txt").write_text(HAM)
    with running_command([*COMMAND, *arguments], environment, tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(TIMEOUT) == 0
        assert process.stderr.read() == ""


def test_interrupt_while_writing_file_keeps_existing_output(environment: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text("earlier")
    with running_command([*CLASSIFY, "--output", "out.txt"], environment, tmp_path) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(SPAM)
        wait_until(lambda: any(path.stat().st_size for path in tmp_path.glob(".out.txt.*")))
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == 130
        assert process.stderr.read() == "\nInterrupted\n"
    assert (tmp_path / "out.txt").read_text() == "earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


def test_interrupt_while_writing_to_pipe_exits_with_130(environment: Mapping[str, str], tmp_path: Path) -> None:
    with running_command(CLASSIFY, environment, tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(SPAM)
        next_line(process.stdout)
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == 130


@needs_proc
def test_peak_memory_does_not_grow_with_input_size(environment: Mapping[str, str], tmp_path: Path) -> None:
    def peak(messages: int) -> int:
        (tmp_path / "in.txt").write_text("".join(f"see you at {n} then\n" for n in range(messages)))
        arguments = [*CLASSIFY[3:], "in.txt", "--output", "out.txt"]
        peak_bytes = peak_of_command(arguments, env=environment, cwd=tmp_path)
        assert (tmp_path / "out.txt").read_text().count("\n") == messages
        return peak_bytes

    assert peak(60_000) - peak(2_000) < 16 * MIB


def test_output_is_utf8_in_any_locale(environment: Mapping[str, str], tmp_path: Path) -> None:
    process = subprocess.run(
        CLASSIFY,
        input="see you – ünï 👍\n".encode(),  # noqa: RUF001 - the test needs the en dash
        env=environment | {"PYTHONIOENCODING": "ascii"},
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert process.stdout.endswith("\tsee you – ünï 👍\n".encode())  # noqa: RUF001


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["classify", "--help"], ["bench", "--help"]])
def test_help_does_not_import_heavy_libraries(arguments: list[str], environment: Mapping[str, str]) -> None:
    program = (
        "import atexit, sys; from spam_edge.cli import main; sys.argv[0] = 'spam-edge';"
        "heavy = {'numpy', 'onnxruntime', 'tokenizers', 'pyarrow'};"
        "atexit.register(lambda: print('heavy:', heavy & set(sys.modules))); main()"
    )
    process = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    assert process.stdout.endswith("heavy: set()\n")


@pytest.mark.parametrize(
    ("words", "completion"),
    [
        ("cl", "plain,classify"),
        ("be", "plain,bench"),
        ("bench --sec", "plain,--seconds"),
        ("bench --file in", "file,in"),
    ],
)
def test_shell_completion_offers_commands_options_and_files(
    environment: Mapping[str, str], words: str, completion: str
) -> None:
    typed = {"COMP_WORDS": f"spam-edge {words}", "COMP_CWORD": str(len(words.split()))}
    completion_environment = environment | typed | {"_SPAM_EDGE_COMPLETE": "bash_complete"}
    process = subprocess.run(COMMAND, env=completion_environment, capture_output=True, text=True, check=True)
    assert process.stdout == f"{completion}\n"


def test_bench_subprocess_prints_json_without_progress(environment: Mapping[str, str], tmp_path: Path) -> None:
    arguments = [*COMMAND, "bench", "--device", "cpu", "--seconds", "0", "--json"]
    process = subprocess.run(arguments, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert process.stderr == ""  # no progress without a terminal
    assert RuntimeOptions(**json.loads(process.stdout)["best"]).device == "cpu"


class TestTerminal:
    """Runs with some streams on a pseudo-terminal."""

    @staticmethod
    def run(
        arguments: list[str], environment: Mapping[str, str], folder: Path, *, terminals: set[str], typed: str = ""
    ) -> tuple[str, str]:
        """Return the output on the terminal and through pipes."""
        parent_fd, child_fd = os.openpty()
        others = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        streams = {name: child_fd if name in terminals else other for name, other in others.items()}
        with subprocess.Popen(arguments, env=environment, cwd=folder, **streams) as process:  # type: ignore[call-overload]
            os.close(child_fd)
            if typed:
                os.write(parent_fd, typed.encode())
            screen = bytearray()
            # On Linux, reading from a terminal without writers is an error instead of EOF.
            while select.select([parent_fd], [], [], TIMEOUT)[0]:
                try:
                    chunk = os.read(parent_fd, 4096)
                except OSError:
                    break
                if not chunk:
                    break
                screen += chunk
            piped = b"".join(pipe.read() for pipe in (process.stdout, process.stderr) if pipe)
            process.wait(TIMEOUT)
        os.close(parent_fd)
        return screen.decode(), piped.decode()

    @pytest.fixture
    def messages(self, tmp_path: Path) -> str:
        (tmp_path / "in.txt").write_text(SPAM + "\xff\n" + HAM, encoding="latin-1")
        return "in.txt"

    def test_labels_are_coloured_on_terminal(
        self, environment: Mapping[str, str], tmp_path: Path, messages: str
    ) -> None:
        screen, errors = self.run([*CLASSIFY, messages], environment, tmp_path, terminals={"stdout"})
        assert screen.startswith("\x1b[31mSPAM\x1b[0m\t")
        assert "\x1b[32mHAM\x1b[0m\t" in screen
        assert "\x1b" not in errors

    def test_no_color_variable_disables_coloured_labels(
        self, environment: Mapping[str, str], tmp_path: Path, messages: str
    ) -> None:
        no_color = {**environment, "NO_COLOR": "1"}
        screen, _ = self.run([*CLASSIFY, messages], no_color, tmp_path, terminals={"stdout"})
        assert "\x1b" not in screen

    def test_progress_is_shown_on_terminal_stderr(
        self, environment: Mapping[str, str], tmp_path: Path, messages: str
    ) -> None:
        screen, verdicts = self.run([*CLASSIFY, messages], environment, tmp_path, terminals={"stderr"})
        assert "Reading" in screen
        assert "100%" in screen
        assert "\r\x1b[Kin.txt:2: byte 0xff" in screen
        assert [line.split("\t")[0] for line in verdicts.splitlines()] == ["SPAM", "HAM"]

    @pytest.mark.parametrize("arguments", [["in.txt"], ["in.txt", "-"], ["in.txt", "missing.txt"]])
    def test_progress_is_hidden_on_shared_terminal_or_unknown_size(
        self, environment: Mapping[str, str], tmp_path: Path, messages: str, arguments: list[str]
    ) -> None:
        both = {"stdout", "stderr"} if arguments == ["in.txt"] else {"stderr"}
        screen, _ = self.run([*CLASSIFY, *arguments], environment, tmp_path, terminals=both)
        assert "Reading" not in screen
        assert "in.txt:2: byte 0xff" in screen

    def test_progress_is_shown_when_output_goes_to_file(
        self, environment: Mapping[str, str], tmp_path: Path, messages: str
    ) -> None:
        arguments = [*CLASSIFY, messages, "--output", "out.txt"]
        screen, _ = self.run(arguments, environment, tmp_path, terminals={"stdout", "stderr"})
        assert "100%" in screen

    def test_bench_progress_is_shown_on_terminal(self, environment: Mapping[str, str], tmp_path: Path) -> None:
        arguments = [*COMMAND, "bench", "--device", "cpu", "--seconds", "1", "--json"]
        screen, printed = self.run(arguments, environment, tmp_path, terminals={"stderr"})
        assert "Measuring" in screen
        assert "100%" in screen
        assert json.loads(printed)["seconds"]["budget"] == 1

    def test_keyboard_input_prints_usage_hint(self, environment: Mapping[str, str], tmp_path: Path) -> None:
        screen, _ = self.run(
            CLASSIFY, environment, tmp_path, terminals={"stdin", "stdout", "stderr"}, typed=HAM + "\x04"
        )
        assert "reading messages from the keyboard, one per line; end with Ctrl-D" in screen
        assert "see you at 5 then" in screen


def test_closed_standard_error_does_not_stop_classification(environment: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text(SPAM)
    shell = ["sh", "-c", 'exec "$@" 2>&-', "sh", *CLASSIFY, "in.txt", "--summary"]
    process = subprocess.run(shell, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True)
    assert process.stdout.startswith("SPAM\t")


@pytest.mark.parametrize(
    ("redirection", "reason"),
    [("<&-", "standard input is closed; name a file"), (">&- </dev/null", "standard output is closed; name a file")],
)
def test_closed_stdin_or_stdout_prints_one_line_error(
    environment: Mapping[str, str], tmp_path: Path, redirection: str, reason: str
) -> None:
    shell = ["sh", "-c", f'exec "$@" {redirection}', "sh", *CLASSIFY]
    process = subprocess.run(shell, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True, check=False)
    assert process.returncode == 1
    assert process.stderr.startswith(f"Error: {reason}")
    assert process.stderr.count("\n") == 1


def test_interruption_during_import_exits_with_130_and_no_traceback(environment: Mapping[str, str]) -> None:
    interrupted = (
        "import builtins, os, signal; plain = builtins.__import__\n"
        "def importing(name, *rest):\n"
        "    if name == 'click':\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return plain(name, *rest)\n"
        "builtins.__import__ = importing\n"
        "from spam_edge.__main__ import run\n"
        "run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", interrupted], env=environment, capture_output=True, timeout=TIMEOUT, check=False
    )
    assert (done.returncode, done.stderr) == (130, b"")
