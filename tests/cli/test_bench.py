"""``spam-edge bench``: measurements, tables and recommendations. No assertion depends on the machine's speed."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.bench.contenders import thread_counts
from spam_edge.cli import main
from spam_edge.resources import available_threads
from spam_edge.runtime.processor import this_processor
from spam_edge.runtime.session import open_session

Run = Callable[..., Result]
THREAD_COUNTS = thread_counts(available_threads())


@pytest.fixture
def bench(run: Run) -> Run:
    """Return a function that runs one round of ``spam-edge bench`` on the CPU."""
    return lambda *arguments, stdin=b"": run("bench", "--device", "cpu", "--seconds", "0", *arguments, stdin=stdin)


@pytest.fixture
def one_setting(bench: Run) -> Run:
    """Return a function that measures one setting, for tests that need no particular one."""
    return lambda *arguments, stdin=b"": bench("--variant", "int8", "--threads", "1", *arguments, stdin=stdin)


def measure_all(bundle: Path, *arguments: str) -> Result:
    command = ["bench", "--device", "cpu", "--seconds", "0", "--model", str(bundle), *arguments]
    return CliRunner().invoke(main, command, prog_name="spam-edge", catch_exceptions=False)


@pytest.fixture(scope="module")
def as_json(tiny_bundle: Path) -> dict[str, Any]:
    """All settings, measured once."""
    return parse_report(measure_all(tiny_bundle, "--json"))


@pytest.fixture(scope="module")
def as_text(tiny_bundle: Path) -> Result:
    """The tables of all settings, measured once."""
    return measure_all(tiny_bundle)


def parse_report(result: Result) -> dict[str, Any]:
    assert (result.exit_code, result.stderr) == (0, "")
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def test_json_report_has_all_measurement_fields(as_json: dict[str, Any], tiny_bundle: Path) -> None:
    report = as_json
    description = SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cpu")).describe()
    assert report["bundle"] == {name: description[name] for name in ("bundle", "name", "version", "digest")}
    assert report["machine"] == {
        "processor": description["processor"],
        "instructions": description["instructions"],
        "provider": "CPUExecutionProvider",
        "threads": available_threads(),
        "versions": description["versions"],
    }
    assert report["messages"]["source"] == "golden.jsonl"
    assert report["messages"]["measured"] == 1024
    assert 0 < report["messages"]["given"] <= 70
    assert report["messages"]["mean_tokens"] > 2
    assert report["seconds"]["budget"] == 0
    assert report["seconds"]["taken"] > 0
    for name, timed in (("settings", True), ("token_budgets", False)):
        for entry in report[name]:
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
    assert report["best_measured"] in report["token_budgets"]
    assert len(report["reasons"]) == 2


def test_best_settings_are_valid_runtime_options(as_json: dict[str, Any], tiny_bundle: Path) -> None:
    options = RuntimeOptions(**as_json["best"])
    assert SpamClassifier.load(tiny_bundle, options).classify("see you at 5 then").label == "HAM"


def test_text_tables_list_every_measured_setting(as_text: Result, tiny_bundle: Path) -> None:
    classifier = SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cpu"))
    result = as_text
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
    assert settings == [[variant, str(threads)] for variant in variants for threads in THREAD_COUNTS]
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


def test_fp16_is_skipped_on_cpu_unless_requested(as_text: Result, as_json: dict[str, Any], bench: Run) -> None:
    assert re.search(r"^fp16 +skipped: intended for CUDA", as_text.stdout, flags=re.MULTILINE)
    assert "intended for CUDA" in as_json["skipped"]["fp16"]
    assert "fp16" not in {entry["variant"] for entry in as_json["settings"]}
    requested = parse_report(bench("--json", "--variant", "fp16"))
    assert {entry["variant"] for entry in requested["settings"]} == {"fp16"}
    assert (requested["skipped"], requested["best"]["variant"]) == ({}, "fp16")


def test_options_given_by_user_are_not_varied(bench: Run) -> None:
    report = parse_report(bench("--json", "--threads", "3", "--variant", "int8", "--exact"))
    assert [(entry["variant"], entry["threads"]) for entry in report["settings"]] == [("int8", 3)]
    best = report["best"]
    assert (best["device"], best["variant"], best["threads"], best["exact"]) == ("cpu", "int8", 3, True)


def test_short_time_budget_still_measures_one_round(one_setting: Run) -> None:
    report = parse_report(one_setting("--json", "--seconds", "1"))
    assert report["seconds"]["budget"] == 1
    assert all(entry["messages_per_s"]["rounds"] >= 1 for entry in report["settings"] + report["token_budgets"])


def test_file_option_benchmarks_messages_from_file(one_setting: Run) -> None:
    Path("mine.csv").write_text("id,body\n1,see you at 5 then\n2,call me when you get home\n", encoding="utf-8")
    report = parse_report(one_setting("--json", "--file", "mine.csv", "--text-column", "body"))
    assert report["messages"]["source"] == "mine.csv"
    assert report["messages"]["given"] == 2
    assert report["messages"]["measured"] > 2
    table = one_setting("--file", "mine.csv", "--text-column", "body").stdout
    assert "2 distinct ones from mine.csv, repeated with other words" in table


def test_large_file_is_limited_to_first_1024_messages(one_setting: Run) -> None:
    Path("mine.txt").write_text("".join(f"see you at {n} then\n" for n in range(5000)), encoding="utf-8")
    report = parse_report(one_setting("--json", "--file", "mine.txt"))
    assert report["messages"]["given"] == report["messages"]["measured"] == 1024
    assert ": 1,024 distinct ones from mine.txt\n" in one_setting("--file", "mine.txt").stdout


def test_messages_are_read_from_standard_input(one_setting: Run) -> None:
    report = parse_report(one_setting("--json", "--file", "-", stdin="see you at 5 then\nok\n"))
    assert (report["messages"]["source"], report["messages"]["given"]) == ("<stdin>", 2)


def test_unreadable_rows_are_skipped_and_counted_on_stderr(one_setting: Run) -> None:
    result = one_setting("--json", "--file", "-", stdin=b"see you at 5 then\n\xff\nok\n")
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
def test_bench_errors_are_printed_on_one_line(bench: Run, arguments: list[str], reason: str) -> None:
    result = bench(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "4000"])
def test_invalid_seconds_value_is_usage_error(bench: Run, seconds: str) -> None:
    result = bench("--seconds", seconds)
    assert result.exit_code == 2
    assert "--seconds" in result.stderr
