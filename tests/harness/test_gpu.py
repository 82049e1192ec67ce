"""The GPU program: execution of parts, reports and quotes, and a small end-to-end run on a CPU."""

import json
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.bundle.locate import Bundle
from spam_edge.runtime.providers import CUDA
from tests.figures import __main__ as figures_command
from tests.gpu import __main__ as command
from tests.gpu import quote
from tests.gpu.engines import OWN_ORDER, SORTED, plan_for
from tests.gpu.environment import make_environment
from tests.gpu.parts import FAILED, LATE, OK, PARTS, SKIPPED, Part, environment_of, run_part
from tests.gpu.report import summary
from tests.gpu.settings import NO_DEVICE, READY, Settings
from tests.support.gpu_results import results

ROOT = Path(__file__).parents[2]
ENVIRONMENT = environment_of(str(ROOT), "")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(work=tmp_path, extras={"mine": tmp_path / "mine.csv"})


def run(settings: Settings, name: str, *arguments: str, seconds: float = 300) -> dict[str, Any]:
    part = Part(name, f"tests.support.gpu_parts:{name}", 300, arguments)
    return run_part(part, settings, python=sys.executable, environment=ENVIRONMENT, seconds=seconds)


def test_part_runs_in_subprocess_and_returns_saved_figures(settings: Settings) -> None:
    before = time.time()
    outcome = run(settings, "succeed", "spam")
    assert (outcome["status"], outcome["reason"]) == (OK, "")
    assert outcome["figures"].items() >= {"word": "spam", "device": "cpu"}.items()
    assert before <= outcome["figures"]["began"] <= time.time()  # start of the cold-start measurement
    assert Settings.from_json(settings.to_json()) == settings


def test_part_with_missing_requirement_is_skipped_with_reason(settings: Settings) -> None:
    assert run(settings, "skip") | {"seconds": 0} == {
        "status": SKIPPED, "reason": "no bundle", "seconds": 0, "figures": {},
    }  # fmt: skip


def test_failed_part_keeps_figures_reason_and_log(settings: Settings) -> None:
    outcome = run(settings, "fail")
    assert (outcome["status"], outcome["reason"]) == (FAILED, "ValueError: nothing to divide")
    assert outcome["figures"] == {"kept": 1}
    assert outcome["log"].startswith("a line of the log\nTraceback")


def test_hanging_part_is_killed_with_its_child_processes(settings: Settings, monkeypatch: Any) -> None:
    monkeypatch.setattr("tests.gpu.parts._SHORTEST", 0)
    for seconds in (5, 20, 60, 300):  # retried until the part had time to save its figure
        outcome = run(settings, "hang", seconds=seconds)
        if outcome["figures"]:
            break
    assert (outcome["status"], outcome["reason"]) == (LATE, f"stopped after {seconds} s")
    assert outcome["figures"] == {"kept": 1}
    beats = (settings.work / "beats").stat().st_size
    time.sleep(0.5)
    assert (settings.work / "beats").stat().st_size == beats


def test_part_is_skipped_without_remaining_time_or_device(settings: Settings) -> None:
    outcome = run(settings, "hang", seconds=1)
    assert (outcome["status"], outcome["reason"]) == (SKIPPED, "the time of --seconds is used up")
    large = Part("hang", "tests.support.gpu_parts:hang", 300, small=False)
    outcome = run_part(large, settings, python=sys.executable, environment=ENVIRONMENT, seconds=300)
    assert (outcome["status"], outcome["reason"]) == (SKIPPED, NO_DEVICE)


def test_part_names_are_unique_and_contain_no_comma() -> None:
    names = [part.name for part in PARTS]
    assert len(set(names)) == len(names)
    assert not any("," in name for name in names)


@given(
    lengths=st.lists(st.integers(2, 128), min_size=1, max_size=60),
    order=st.sampled_from([SORTED, OWN_ORDER]),
    budget=st.integers(1, 1000),
)
def test_batch_plan_has_each_row_once_within_token_budget(lengths: list[int], order: str, budget: int) -> None:
    plan = plan_for((order, budget), lengths)
    rows = [int(row) for batch in plan for row in batch]
    expected = sorted(range(len(lengths)), key=lengths.__getitem__) if order == SORTED else list(range(len(lengths)))
    assert rows == expected
    assert all(len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= budget for batch in plan)


def test_cold_start_modules_import_no_engine_library() -> None:
    libraries = '{"torch", "transformers", "optimum", "onnx", "onnxruntime", "sklearn", "matplotlib"}'
    code = f"import sys, tests.gpu.speed, tests.gpu.worker; print(sorted({libraries} & set(sys.modules)))"
    completed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert completed.stdout == "[]\n"


def write_wheel(folder: Path, name: str, code: str) -> None:
    """Write a minimal wheel."""
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", code)
        information = f"{name}-1.0.dist-info"
        archive.writestr(f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{information}/RECORD", "")


@pytest.mark.slow
def test_provided_wheels_take_precedence_over_installed_packages(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    write_wheel(wheels, "brought_along", "value = 42")
    write_wheel(wheels, "click", "value = 'another click'")  # also installed in this interpreter
    python, outcome = make_environment(wheels, tmp_path / "environment")
    assert outcome["status"] == OK, outcome["reason"]
    assert len(outcome["figures"]["wheels"]) == 2
    code = "import brought_along, click, numpy; print(brought_along.value, click.value, numpy.__name__)"
    completed = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    assert completed.stdout == "42 another click numpy\n"
    again, outcome = make_environment(wheels, tmp_path / "environment")
    assert (again, outcome["status"]) == (python, OK)
    assert outcome["seconds"] < 1


@pytest.mark.parametrize("content", [None, b"no wheel"])
def test_missing_or_broken_wheel_fails_with_reason(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "broken-1.0-py3-none-any.whl").write_bytes(content)
    python, outcome = make_environment(tmp_path, tmp_path / "environment")
    assert (python, outcome["status"]) == (sys.executable, FAILED)
    assert ("holds no wheel" if content is None else "broken-1.0-py3-none-any.whl") in outcome["reason"]


def invoke_command(*arguments: str) -> Any:
    return CliRunner().invoke(command.main, arguments)


def test_foreign_output_file_and_invalid_options_are_refused(tmp_path: Path) -> None:
    output = tmp_path / "gpu.json"
    output.write_text("[1]")
    result = invoke_command("--output", str(output), "--work", str(tmp_path))
    assert result.exit_code == 1
    assert "is not from python -m tests.gpu; name another --output" in result.output
    assert output.read_text() == "[1]"
    assert invoke_command("--parts", "device,nothing").exit_code == 2
    assert "--prepare needs --checkpoint" in invoke_command("--prepare").output
    assert invoke_command("--extra", "name=nowhere.csv").exit_code == 2


def test_missing_option_keeps_successful_parts_and_reruns_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mocked: no part runs."""
    ran: list[str] = []

    def fake_run_part(part: Part, *_: Any, **__: Any) -> dict[str, Any]:
        ran.append(part.name)
        return {"status": FAILED if part.name == "host" else OK, "reason": "", "seconds": 1.0, "figures": {"new": 1}}

    monkeypatch.setattr(command, "run_part", fake_run_part)
    output = tmp_path / "gpu.json"
    kept = {"status": OK, "reason": "", "seconds": 2.0, "figures": {"old": 1}}
    output.write_text(json.dumps({"parts": {"train": kept, "host": kept | {"status": LATE}}}))
    options = ["--output", str(output), "--work", str(tmp_path), "--missing", "--parts", "train,host,tests"]
    result = invoke_command(*options)
    assert result.exit_code == 1  # host failed
    assert ran == ["device", "tests", "host"]
    parts = json.loads(output.read_bytes())["parts"]
    assert {name: part["status"] for name, part in parts.items()} == {
        "train": OK, "host": FAILED, "environment": OK, "device": OK, "tests": OK,
    }  # fmt: skip
    assert parts["train"] == kept
    assert "host         failed  1" in result.output


def test_summary_lists_failed_parts_and_measured_speeds() -> None:
    shown = summary(results())
    assert "speed base torch-fp16  failed  9        out of luck" in shown
    row = next(line for line in shown.splitlines() if line.startswith("spam-edge"))
    assert row.split("  ")[0] == "spam-edge"
    assert row.split()[1:5] == ["200,000", "30,000", "1.26", "ms"]
    assert "25%" in row  # 200,000 messages/s of 1e9 operations, against 8e14
    assert "PyTorch fp16  " not in shown


def test_cuda_run_is_quoted_in_text_and_tables() -> None:
    assert quote.brief(results()) == (
        "On an NVIDIA Made Up (2026-01-02), fp16 differs from PyTorch in fp32 by at most 0.0007 in a score; 6 of 1,100 "
        "labels differ. It classified 30,000 messages/s, 1.5 times as many as transformers pipeline.\n"
    )
    tables = quote.tables(results())
    assert tables is not None
    assert tables.startswith(
        "NVIDIA Made Up, 2026-01-02, onnxruntime 1.31.1, torch 2.13.0, transformers 4.57.6.\n\nbase:\n\n| engine |"
    )
    assert "| transformers pipeline |  |  | 20,000 |" in tables
    assert "| fp16 | test, 930 | 3.1e-03 | 7.0e-04 | 1.0e-05 | 1 |\n" in tables
    assert "| fp16 | labelled files, 100 | 5.0e-03 | 7.0e-04 | 4.0e-05 | 4 |\n" in tables
    assert quote.training(results()) == (
        "Training the packaged base on an NVIDIA Made Up (bf16) took 61 s, 1,234 messages/s.\n"
    )


def test_run_without_cuda_is_not_quoted() -> None:
    without = results(cuda=False)
    assert [quote.brief(without), quote.tables(without), quote.training(without)] == [None] * 3
    assert quote.card(without, "0" * 64) is None
    assert [quote.brief({"parts": {}}), quote.tables({"parts": {}}), quote.training({"parts": {}})] == [None] * 3


def test_card_quotes_only_cuda_run_of_same_fp16_file(bundle_copy: Path, tmp_path: Path, monkeypatch: Any) -> None:
    card = bundle_copy / "README.md"
    section = "<!-- cuda -->\nThis export did **not run it on a GPU**.\n<!-- end of cuda -->\n"
    card.write_text(card.read_text(encoding="utf-8") + section, encoding="utf-8")
    monkeypatch.setattr(figures_command, "ROOT", tmp_path)
    monkeypatch.setattr(figures_command, "PAGES", ())
    path = tmp_path / "docs" / "gpu.json"
    refused = CliRunner().invoke(figures_command.main, ["--card", str(bundle_copy)])
    assert refused.exit_code == 1
    assert "has no run on CUDA of the fp16 file of" in refused.output
    measured = results()
    bundle = Bundle.find(bundle_copy)
    measured["parts"]["bundle base"]["figures"]["fp16_sha256"] = bundle.manifest.files["onnx/model_fp16.onnx"].sha256
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(measured))
    assert CliRunner().invoke(figures_command.main, ["--card", str(bundle_copy)]).exit_code == 0
    written = card.read_text(encoding="utf-8")
    assert (
        "On an NVIDIA Made Up, 2026-01-02, with onnxruntime 1.31.1, in relation to PyTorch in fp32:\n\n| variant |"
        in written
    )
    assert "not run it on a GPU" not in written
    assert Bundle.find(bundle_copy).manifest.metrics["gpu"] == {
        "card": "NVIDIA Made Up", "date": "2026-01-02", "max_abs_dp": 0.0007, "flips": 6, "n": 1100,
    }  # fmt: skip
    Bundle.find(bundle_copy).verify()


needs_cpu_build = pytest.mark.skipif(
    CUDA in onnxruntime.get_available_providers(), reason="this is the GPU build of onnxruntime"
)


def run_program(work: Path, *options: str) -> tuple[dict[str, Any], str]:
    """Run the program and return the results of its parts and its standard output."""
    output = work / "gpu.json"
    command = [sys.executable, "-m", "tests.gpu", "--output", str(output), "--work", str(work), "--seconds", "20000"]
    completed = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    parts: dict[str, Any] = json.loads(output.read_bytes())["parts"]
    unsuccessful = {name: part for name, part in parts.items() if part["status"] not in {OK, SKIPPED}}
    assert not unsuccessful, unsuccessful
    assert completed.returncode == 0, completed.stderr
    return parts, completed.stdout


def assert_timed(figures: dict[str, Any]) -> None:
    assert figures["flips"] == 0
    assert figures["max_abs_dp"] < 0.01
    assert max(figures["with_tokenising"].values()) > 0
    assert 0 < figures["one_message_ms"]["p50"] <= figures["one_message_ms"]["p95"]
    assert figures["cold_start_s"] > 0


@pytest.mark.slow
@needs_cpu_build
def test_small_run_completes_on_cpu_and_skips_gpu_parts(tiny_bundle: Path, tmp_path: Path) -> None:
    parts, shown = run_program(tmp_path, "--bundle", str(tiny_bundle))
    assert list(parts) == ["environment", *(part.name for part in PARTS)]
    ran = {name for name, part in parts.items() if part["status"] == OK}
    timed = {"speed base ours", "speed base onnxruntime-o4"}
    assert ran == {
        "environment",
        "device",
        "tests",
        "train",
        "bundle base",
        "inference base",
        "commands",
        "host",
        *timed,
    }
    reasons = {part["reason"] for part in parts.values() if part["status"] == SKIPPED}
    assert reasons == {
        NO_DEVICE,
        "no checkpoint of the bundle: bring it along with --checkpoint",
    }
    assert parts["tests"]["figures"]["passed"] == 1  # the conversion, which needs no CUDA device
    assert parts["train"]["figures"]["hardware"]["device"] == "cpu"
    variants = parts["inference base"]["figures"]["variants"]
    assert {name: set(variant["sets"]) for name, variant in variants.items()} == {
        "fp16": {"golden", "corpus"},
        "fp32": {"golden", "corpus"},
    }
    for name in timed:
        assert_timed(parts[name]["figures"])
        assert parts[name]["figures"]["without_tokenising"]
    assert "spam-edge  " in shown
    assert quote.tables({"parts": parts}) is None


@pytest.mark.slow
@needs_cpu_build
def test_checkpoint_files_are_compared_with_pytorch_and_reused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    extra = tmp_path / "mine.csv"
    extra.write_text("label,text\nspam,WINNER!! Call 09061701461 to claim your prize\nham,see you at 5 then\n")
    engines = [f"speed base {engine}" for engine in ("torch-fp16", "pipeline")]
    options = ["--checkpoint", str(tiny_checkpoint), "--extra", f"mine={extra}"]
    parts, _ = run_program(tmp_path, *options, "--parts", ",".join(["bundle base", "inference base", *engines]))
    figures = parts["inference base"]["figures"]
    assert figures["reference"] == "PyTorch fp32"
    assert figures["variants"]["fp16"]["sets"]["test"]["n"] == 40
    mine = figures["variants"]["fp16"]["sets"]["mine"]
    assert (mine["rates"], mine["passed"]) == ({"false_positive_rate": 0.0, "recall": 1.0}, True)
    for name in engines:
        assert_timed(parts[name]["figures"])
    ready = tmp_path / "base" / READY
    first_written = ready.stat().st_mtime_ns
    run_program(tmp_path, *options, "--parts", "bundle base")
    assert ready.stat().st_mtime_ns == first_written  # the complete folder is reused
    settings = Settings(work=tmp_path, checkpoint=tiny_checkpoint, extras={})  # without the labelled file
    part = next(part for part in PARTS if part.name == "bundle base")
    again = run_part(part, settings, python=sys.executable, environment=ENVIRONMENT, seconds=1000)
    assert (again["status"], again["figures"]["sets"].keys()) == (OK, {"golden", "test"})


@pytest.mark.slow
@needs_cpu_build
def test_checkpoint_of_different_bundle_is_refused(tiny_bundle: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    different_checkpoint = Path(shutil.copytree(tiny_checkpoint, tmp_path / "other"))
    weights = different_checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\x3f")
    settings = Settings(work=tmp_path, bundle=tiny_bundle, checkpoint=different_checkpoint, extras={})
    part = next(part for part in PARTS if part.name == "bundle base")
    outcome = run_part(part, settings, python=sys.executable, environment=ENVIRONMENT, seconds=3000)
    assert outcome["status"] == FAILED
    assert "was not made from" in outcome["reason"]
