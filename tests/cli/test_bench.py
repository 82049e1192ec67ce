"""``spam-edge bench``: measurements, tables and recommendations. No assertion depends on the machine's speed."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.bench.contenders import thread_counts
from spam_edge.resources import available_threads
from spam_edge.runtime.processor import this_processor
from spam_edge.runtime.session import open_session

Run = Callable[..., Result]
COUNTS = thread_counts(available_threads())


@pytest.fixture
def bench(run: Run) -> Run:
    """Return a function that runs one round of ``spam-edge bench`` on the CPU."""
    return lambda *arguments, stdin=b"": run("bench", "--device", "cpu", "--seconds", "0", *arguments, stdin=stdin)


def document(result: Result) -> dict[str, Any]:
    assert (result.exit_code, result.stderr) == (0, "")
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_json(bench: Run, tiny_bundle: Path) -> None:
    found = document(bench("--json"))
    description = SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cpu")).describe()
    assert found["bundle"] == {name: description[name] for name in ("bundle", "name", "version", "digest")}
    assert found["machine"] == {
        "processor": description["processor"],
        "instructions": description["instructions"],
        "provider": "CPUExecutionProvider",
        "threads": available_threads(),
        "versions": description["versions"],
    }
    assert found["messages"]["source"] == "golden.jsonl"
    assert found["messages"]["measured"] == 1024
    assert 0 < found["messages"]["given"] <= 70
    assert found["messages"]["mean_tokens"] > 2
    assert found["seconds"]["budget"] == 0
    assert found["seconds"]["taken"] > 0
    for name, timed in (("settings", True), ("token_budgets", False)):
        for entry in found[name]:
            assert list(entry) == [
                "variant",
                "threads",
                "token_budget",
                "messages_per_call",
                "messages_per_s",
                "one_message_ms",
            ]
            rates = entry["messages_per_s"]
            assert 0 < rates["min"] <= rates["median"] <= rates["max"]
            assert rates["rounds"] == 1
            if timed:
                assert 0 < entry["one_message_ms"]["p50"] <= entry["one_message_ms"]["p95"]
                assert entry["one_message_ms"]["n"] == 10
            else:
                assert entry["one_message_ms"] is None
    assert found["best_measured"] in found["token_budgets"]
    assert len(found["reasons"]) == 2


def test_the_best_settings_can_be_used_as_they_are(bench: Run, tiny_bundle: Path) -> None:
    options = RuntimeOptions(**document(bench("--json"))["best"])
    assert SpamClassifier.load(tiny_bundle, options).classify("see you at 5 then").label == "HAM"


def test_the_tables_name_every_setting(bench: Run, tiny_bundle: Path) -> None:
    classifier = SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cpu"))
    result = bench()
    assert (result.exit_code, result.stderr) == (0, "")
    [processor] = re.findall(r"^processor +(.*)$", result.stdout, flags=re.MULTILINE)
    chosen = classifier.instructions
    assert processor == this_processor().description + (f"; fused uses {chosen}" if chosen else "")
    tables = [part.splitlines() for part in result.stdout.split("\n\n") if part.startswith("variant ")]
    first, second = ([line for line in lines[1:] if "skipped: " not in line] for lines in tables)
    skipped = {line.split()[0] for line in tables[0] if "skipped: " in line}
    variants = [name for name in classifier.manifest.variants if name not in skipped]
    assert {"int8", "fp32"} <= set(variants)
    settings = [line.split()[:2] for line in first]
    assert settings == [[variant, str(threads)] for variant in variants for threads in COUNTS]
    budgets = [line.split()[:3] for line in second]
    usual = open_session(classifier.bundle, classifier.options).token_budget
    expected = [f"{int(factor * usual):,}" for factor in (0.5, 1, 2, 4)]
    assert budgets == [[classifier.variant, str(available_threads()), budget] for budget in expected]
    for table in (first, second):
        assert sum(line.endswith("best") for line in table) == 1
        assert len({re.match(r"(\S+ +){4}\S+", line).end() for line in table}) == 1  # type: ignore[union-attr] # aligned
    assert f"variants other than {classifier.variant} give different scores" in result.stdout
    assert result.stdout.endswith(
        'command     spam-edge classify --device cpu\nPython      RuntimeOptions(device="cpu")\n'
    )


def test_fp16_is_left_out_on_a_cpu_unless_it_is_asked_for(bench: Run) -> None:
    assert re.search(r"^fp16 +skipped: intended for CUDA", bench().stdout, flags=re.MULTILINE)
    found = document(bench("--json"))
    assert "intended for CUDA" in found["skipped"]["fp16"]
    assert "fp16" not in {entry["variant"] for entry in found["settings"]}
    asked = document(bench("--json", "--variant", "fp16"))
    assert {entry["variant"] for entry in asked["settings"]} == {"fp16"}
    assert (asked["skipped"], asked["best"]["variant"]) == ({}, "fp16")


def test_what_is_given_is_kept(bench: Run) -> None:
    found = document(bench("--json", "--threads", "3", "--variant", "int8", "--exact"))
    assert [(entry["variant"], entry["threads"]) for entry in found["settings"]] == [("int8", 3)]
    best = found["best"]
    assert (best["device"], best["variant"], best["threads"], best["exact"]) == ("cpu", "int8", 3, True)


def test_at_least_one_round_whatever_the_time(bench: Run) -> None:
    found = document(bench("--json", "--seconds", "1"))
    assert found["seconds"]["budget"] == 1
    assert all(entry["messages_per_s"]["rounds"] >= 1 for entry in found["settings"] + found["token_budgets"])


def test_messages_of_ones_own(bench: Run) -> None:
    Path("mine.csv").write_text("id,body\n1,see you at 5 then\n2,call me when you get home\n", encoding="utf-8")
    found = document(bench("--json", "--file", "mine.csv", "--text-column", "body"))
    assert found["messages"]["source"] == "mine.csv"
    assert found["messages"]["given"] == 2
    assert found["messages"]["measured"] > 2
    table = bench("--file", "mine.csv", "--text-column", "body").stdout
    assert "2 distinct ones from mine.csv, repeated with other words" in table


def test_only_the_beginning_of_a_large_file_is_taken(bench: Run) -> None:
    Path("mine.txt").write_text("".join(f"see you at {n} then\n" for n in range(5000)), encoding="utf-8")
    found = document(bench("--json", "--file", "mine.txt"))
    assert found["messages"]["given"] == found["messages"]["measured"] == 1024
    assert ": 1,024 distinct ones from mine.txt\n" in bench("--file", "mine.txt").stdout


def test_messages_from_standard_input(bench: Run) -> None:
    found = document(bench("--json", "--file", "-", stdin="see you at 5 then\nok\n"))
    assert (found["messages"]["source"], found["messages"]["given"]) == ("<stdin>", 2)


def test_rows_that_cannot_be_read_are_left_out_and_said(bench: Run) -> None:
    result = bench("--json", "--file", "-", stdin=b"see you at 5 then\n\xff\nok\n")
    assert result.exit_code == 0
    assert result.stderr == "1 rows of <stdin> cannot be read and are skipped\n"
    assert json.loads(result.stdout)["messages"]["given"] == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--file", "missing.txt"], "missing.txt does not exist; check the path"),
        (["--file", "-"], "<stdin> has no messages to benchmark"),
        (["--file", "-", "--encoding", "klingon"], "'klingon' is not a known text encoding; try utf-8 or cp1252"),
        (["--model", "nowhere"], "nowhere"),
    ],
)
def test_errors_in_one_line(bench: Run, arguments: list[str], reason: str) -> None:
    result = bench(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "4000"])
def test_impossible_times_are_wrong_usage(bench: Run, seconds: str) -> None:
    result = bench("--seconds", seconds)
    assert result.exit_code == 2
    assert "--seconds" in result.stderr
