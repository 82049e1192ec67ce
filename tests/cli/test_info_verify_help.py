"""``spam-edge info``, ``spam-edge verify``, ``--version`` and the help texts."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

from spam_edge import RuntimeOptions, SpamClassifier, __version__
from spam_edge.cli import main
from spam_edge.decision.intervals import counted
from spam_edge.diagnostics.report import Check, VerificationReport
from spam_edge.diagnostics.verify import verify_bundle
from spam_edge.options import DEVICES, VARIANTS
from tests.support import hostile

Run = Callable[..., Result]
CPU = ["--device", "cpu"]


def test_info_lists_bundle_description_fields(run: Run, tiny_bundle: Path) -> None:
    description = SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cpu")).describe()
    result = run("info", *CPU)
    assert (result.exit_code, result.stderr) == (0, "")
    assert all(len(line) <= 80 for line in result.stdout.splitlines()[1:])  # the first line contains the path
    entries = re.sub(r"\n +", " ", result.stdout).splitlines()
    table = dict(re.split(" {2,}", line, maxsplit=1) for line in entries)
    names = [name.replace("_", " ") for name in description if name not in {"modes", "unsure", "controls", "gpu"}]
    assert list(table)[: len(names)] == names
    assert list(table)[len(names) :] == [
        *(f"mode {mode}" for mode in description["modes"]),
        "unsure",
        *(f"control {name}" for name in description["controls"]),
    ]
    assert table["bundle"] == str(tiny_bundle)
    assert table["digest"] == description["digest"]
    assert table["labels"] == "HAM, SPAM"
    assert f"onnxruntime {description['versions']['onnxruntime']}" in table["versions"]


def test_info_shows_rates_on_notices_below_those_on_corpus(run: Run, bundle_copy: Path) -> None:
    path = bundle_copy / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["metrics"]["today"] = {"modes": {"balanced": {"recall": counted(91, 100)}}}
    path.write_text(json.dumps(manifest), encoding="utf-8")
    lines = run("info", *CPU, "--model", str(bundle_copy)).stdout.splitlines()
    [row] = [row for row, line in enumerate(lines) if line.startswith("  on the notices")]
    assert lines[row].split(maxsplit=3)[3].startswith("recall 91.00%")
    assert lines[row - 4].startswith("mode balanced")
    assert lines[row - 3].startswith("  on the corpus")


def test_info_shows_false_positive_rates_of_control_sets(run: Run, bundle_copy: Path) -> None:
    path = bundle_copy / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    controls = {"N1": {"title": "emoji", **counted(0, 60)}, "N6": {"title": "codes", **counted(3, 60)}}
    manifest["metrics"]["controls"] = controls
    path.write_text(json.dumps(manifest), encoding="utf-8")
    lines = run("info", *CPU, "--model", str(bundle_copy)).stdout.splitlines()
    assert [re.sub(" +", " ", line) for line in lines if line.startswith("control")] == [
        "control N1 called spam 0.00% (0.00% to 5.96%, n 60); emoji",
        "control N6 called spam 5.00% (1.04% to 13.92%, n 60); codes",
    ]
    assert json.loads(run("info", *CPU, "--model", str(bundle_copy), "--json").stdout)["controls"] == controls
    # Older bundles have no control sets.
    del manifest["metrics"]["controls"]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    assert "control" not in run("info", *CPU, "--model", str(bundle_copy)).stdout


def test_info_shows_gpu_measurements(run: Run, bundle_copy: Path) -> None:
    path = bundle_copy / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    assert "gpu" not in [line.split()[0] for line in run("info", *CPU).stdout.splitlines()]
    gpu = {"card": "NVIDIA Made Up", "date": "2026-01-02", "max_abs_dp": 0.00612, "flips": 1, "n": 10438}
    manifest["metrics"]["gpu"] = gpu
    path.write_text(json.dumps(manifest), encoding="utf-8")
    shown = re.sub(r"\s+", " ", run("info", *CPU, "--model", str(bundle_copy)).stdout)
    assert (
        "gpu NVIDIA Made Up, 2026-01-02 scores differ from PyTorch by at most 0.0061 1 of 10,438 labels differ" in shown
    )
    assert json.loads(run("info", *CPU, "--model", str(bundle_copy), "--json").stdout)["gpu"] == gpu
    del manifest["metrics"]["gpu"]["card"]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    refused = run("info", *CPU, "--model", str(bundle_copy))
    assert (refused.exit_code, "metrics.gpu.card is missing" in refused.stderr) == (1, True)


def test_info_json_equals_library_description(run: Run, tiny_bundle: Path) -> None:
    options = RuntimeOptions(device="cpu", variant="fp32", threads=1)
    result = run("info", *CPU, "--variant", "fp32", "--threads", "1", "--json")
    assert json.loads(result.stdout) == SpamClassifier.load(tiny_bundle, options).describe()


def test_verify_lists_every_passed_check(run: Run, tiny_bundle: Path) -> None:
    checks = verify_bundle(tiny_bundle, RuntimeOptions(device="cpu")).checks
    result = run("verify", *CPU)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [re.split(" {2,}", line) for line in result.stdout.splitlines()]
    assert [line[:2] for line in lines] == [["ok", check.name] for check in checks]


def test_verify_json_equals_library_report(run: Run, tiny_bundle: Path) -> None:
    result = run("verify", *CPU, "--json")
    report = verify_bundle(tiny_bundle, RuntimeOptions(device="cpu")).to_dict()
    assert json.loads(result.stdout) == json.loads(json.dumps(report))


def test_failed_verify_check_exits_with_code_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = (Check("files", ok=True, detail="all there"), Check("scores", ok=False, detail="3 label flips"))
    report = VerificationReport("b", "d", "int8", "CPUExecutionProvider", checks)
    monkeypatch.setattr("spam_edge.cli.verify.verify_in_subprocess", lambda *_, **__: report)
    result = run("verify")
    assert result.exit_code == 1
    assert result.stdout == "ok      files   all there\nFAILED  scores  3 label flips\n"
    assert result.stderr == ""


def test_verify_beyond_memory_or_time_limit_prints_one_line_error(run: Run, bundle_copy: Path) -> None:
    hostile.with_huge_manifest(bundle_copy)
    result = run("verify", *CPU, "--model", str(bundle_copy), "--max-memory", "900")
    remedy = "do not use it, or raise --max-memory (now 900 MiB) for a large model"
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: {bundle_copy} was not verified (MemoryError); {remedy}\n"
    result = run("verify", *CPU, "--model", str(bundle_copy), "--max-seconds", "0.01")
    remedy = "do not use it, or raise --max-seconds on a slow machine"
    assert result.stderr == f"Error: {bundle_copy} was not verified within 0.01 seconds; {remedy}\n"


def test_version_option_prints_package_version(run: Run) -> None:
    assert run("--version").stdout == f"spam-edge, version {__version__}\n"


def test_command_alone_prints_help_and_is_wrong_usage(run: Run) -> None:
    alone = run()
    assert (alone.exit_code, alone.stdout) == (2, "")
    assert alone.stderr == run("--help").stdout


def test_misspelt_command_is_answered_with_closest(run: Run) -> None:
    assert run("clasify").stderr.endswith("Error: No such command 'clasify'. Did you mean 'classify'?\n")
    assert run("xyz").stderr.endswith("Error: No such command 'xyz'.\n")


GROUP = click.Context(main, **main.context_settings)


def command_of(name: str) -> click.Command:
    command = main.get_command(GROUP, name)
    assert command is not None
    return command


@pytest.mark.parametrize("command", [[], ["classify"], ["info"], ["verify"], ["bench"]])
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_examples_are_accepted_by_parser(run: Run, command: list[str], option: str) -> None:
    result = run(*command, option)
    assert (result.exit_code, result.stderr) == (0, "")
    examples = re.findall(
        r"spam-edge (classify|info|verify|bench)(.*)$", result.stdout.split("Examples:")[1], re.MULTILINE
    )
    assert examples
    for name, rest in examples:
        command_of(name).make_context(name, rest.split(), parent=GROUP)


def test_help_documents_shell_completion_and_exit_codes(run: Run) -> None:
    assert "_SPAM_EDGE_COMPLETE=bash_source" in run("--help").stdout
    text = " ".join(run("classify", "--help").stdout.split())
    assert "Exit with 3 if spam is found" in text
    assert "the exit code is 1" in text


def test_device_and_variant_choices_match_runtime() -> None:
    for name in main.list_commands(GROUP):
        choices = {option.name: getattr(option.type, "choices", None) for option in command_of(name).params}
        assert tuple(choices["device"]) == DEVICES
        assert tuple(choices["variant"]) == VARIANTS
