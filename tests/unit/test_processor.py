"""What the processor is said to be. The /proc/cpuinfo texts are faked: one machine has one processor."""

import json
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from spam_edge import RuntimeOptions, SpamClassifier, processor
from spam_edge.cli import main
from spam_edge.manifest import MANIFEST_NAME
from spam_edge.processor import Processor, this_processor

HASWELL = "processor\t: 0\nflags\t\t: fpu sse4_2 avx f16c avx2 bmi2\nbugs\t\t: x\n\nprocessor\t: 1\nflags\t: avx_vnni\n"
SKYLAKE_X = "processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512bw avx512vl\n"
ICE_LAKE_FLAGS = "fpu fma avx2 avx512f avx512dq avx512cd avx512bw avx512vl avx512_vnni avx512_bitalg"
ICE_LAKE = f"processor\t: 0\nflags\t\t: {ICE_LAKE_FLAGS}\n"
ALDER_LAKE = "processor\t: 0\nflags\t\t: fpu avx2 avx_vnni\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd asimddp\nCPU implementer\t: 0x41\n"
WITH = "x86-64 with VNNI: int8 sums are exact"
FP32 = "x86-64 without VNNI: fp32 does not suffer from it"
WARNING = "x86-64 without VNNI: int8 sums saturate and scores differ, use fp32"


@pytest.fixture(autouse=True)
def _look_again() -> Iterator[None]:
    this_processor.cache_clear()
    yield
    this_processor.cache_clear()


def _fake(monkeypatch: pytest.MonkeyPatch, folder: Path, cpuinfo: str | None, machine: str = "x86_64") -> None:
    path = folder / "cpuinfo"
    if cpuinfo is not None:
        path.write_text(cpuinfo, encoding="utf-8")
    monkeypatch.setattr(processor, "_CPUINFO", path)
    monkeypatch.setattr(platform, "machine", lambda: machine)


@pytest.mark.parametrize(
    ("cpuinfo", "machine", "expected"),
    [
        (HASWELL, "x86_64", Processor("x86-64", vnni=False)),
        (SKYLAKE_X, "x86_64", Processor("x86-64", vnni=False)),
        (ICE_LAKE, "x86_64", Processor("x86-64", vnni=True, wide_vnni=True)),
        (ALDER_LAKE, "AMD64", Processor("x86-64", vnni=True)),
        (ARM, "aarch64", Processor("aarch64", vnni=False)),
        (None, "", Processor("unknown", vnni=False)),
    ],
)
def test_flags(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cpuinfo: str | None, machine: str, expected: Processor
) -> None:
    _fake(monkeypatch, tmp_path, cpuinfo, machine)
    assert this_processor() == expected
    assert this_processor().saturates == (expected.machine == "x86-64" and not expected.vnni)


@pytest.mark.parametrize("flag", ["fma", "avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512_vnni"])
def test_wide_vnni_is_all_that_the_fused_operator_is_compiled_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flag: str
) -> None:
    _fake(monkeypatch, tmp_path, ICE_LAKE)
    assert this_processor().wide_vnni
    this_processor.cache_clear()
    _fake(monkeypatch, tmp_path, ICE_LAKE.replace(f" {flag} ", " "))
    assert not this_processor().wide_vnni


@pytest.mark.parametrize(
    ("found", "vnni"),
    [
        ({"SIMD Extensions": {"found": ["X86_V3", "X86_V4", "AVX512_ICL"]}}, True),
        ({"SIMD Extensions": {"found": ["X86_V3"]}}, False),
        ({}, False),
    ],
)
@pytest.mark.parametrize("cpuinfo", [None, "processor\t: 0\n"])
def test_where_linux_does_not_say_numpy_may(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cpuinfo: str | None, found: dict[str, Any], vnni: bool
) -> None:
    _fake(monkeypatch, tmp_path, cpuinfo, "AMD64")
    monkeypatch.setattr(np, "show_config", lambda mode: found)
    assert this_processor() == Processor("x86-64", vnni=vnni)


def test_this_machine() -> None:
    """Numpy must not see what the flags deny; AVX-VNNI, which numpy does not look for, is the reverse case."""
    here = this_processor()
    assert here.machine
    assert here.vnni or here.machine != "x86-64" or not processor._numpy_found_vnni()


def _mark(bundle: Path, *, saturates: bool) -> Path:
    path = bundle / MANIFEST_NAME
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["variants"]["int8"]["saturates"] = saturates
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return bundle


@pytest.fixture
def marked_bundle(bundle_copy: Path) -> Path:
    """A bundle whose int8 file is one that saturates, as the export found."""
    return _mark(bundle_copy, saturates=True)


@pytest.mark.parametrize(
    ("cpuinfo", "machine", "variant", "line"),
    [
        (ICE_LAKE, "x86_64", "auto", WITH),
        (HASWELL, "x86_64", "auto", FP32),
        (HASWELL, "x86_64", "int8", WARNING),
        (HASWELL, "x86_64", "fp32", FP32),
        (ARM, "aarch64", "auto", "aarch64"),
    ],
)
def test_info_says_so(
    marked_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cpuinfo: str,
    machine: str,
    *,
    variant: str,
    line: str,
) -> None:
    _fake(monkeypatch, tmp_path, cpuinfo, machine)
    arguments = ["info", "--device", "cpu", "--model", str(marked_bundle), "--variant", variant]
    shown = CliRunner().invoke(main, arguments, catch_exceptions=False).stdout.splitlines()
    assert [entry.split(maxsplit=1)[1] for entry in shown if entry.startswith("processor ")] == [line]
    as_json = CliRunner().invoke(main, [*arguments, "--json"], catch_exceptions=False).stdout
    assert json.loads(as_json)["processor"] == line


@pytest.mark.parametrize("exact", [False, True])
def test_without_vnni_the_scores_are_those_of_fp32(
    marked_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exact: bool
) -> None:
    texts = ["WINNER!! Call 09061701461 to claim your prize", "see you at 5 then", ""]
    expected = SpamClassifier.load(marked_bundle, RuntimeOptions(device="cpu", variant="fp32")).logits(texts)
    this_processor.cache_clear()
    _fake(monkeypatch, tmp_path, HASWELL)
    classifier = SpamClassifier.load(marked_bundle, RuntimeOptions(device="cpu", exact=exact))
    assert classifier.variant == "fp32"
    assert np.array_equal(classifier.logits(texts), expected)


def test_a_bundle_of_int8_alone_is_still_used(
    marked_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = marked_bundle / MANIFEST_NAME
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["variants"] = {"int8": manifest["variants"]["int8"]}
    path.write_text(json.dumps(manifest), encoding="utf-8")
    _fake(monkeypatch, tmp_path, HASWELL)
    classifier = SpamClassifier.load(marked_bundle, RuntimeOptions(device="cpu"))
    assert (classifier.variant, classifier.describe()["processor"]) == ("int8", WARNING)


def test_a_file_that_does_not_suffer_is_used(
    bundle_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fake(monkeypatch, tmp_path, HASWELL)
    classifier = SpamClassifier.load(_mark(bundle_copy, saturates=False), RuntimeOptions(device="cpu"))
    expected = "x86-64 without VNNI: int8 does not suffer from it"
    assert (classifier.variant, classifier.describe()["processor"]) == ("int8", expected)
