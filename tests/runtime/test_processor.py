"""Processor detection, with fake /proc/cpuinfo files."""

import json
import platform
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.cli import main
from spam_edge.runtime import processor
from spam_edge.runtime.processor import Processor, this_processor

HASWELL = "processor\t: 0\nflags\t\t: fpu avx f16c fma avx2 bmi2\nbugs\t\t: x\n\nprocessor\t: 1\nflags\t: avx_vnni\n"
SKYLAKE_X = "processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512bw avx512vl\n"
ICE_LAKE_FLAGS = "fpu fma avx2 avx512f avx512dq avx512cd avx512bw avx512vl avx512_vnni avx512_bitalg"
ICE_LAKE = f"processor\t: 0\nflags\t\t: {ICE_LAKE_FLAGS}\n"
ALDER_LAKE = "processor\t: 0\nflags\t\t: fpu fma avx2 avx_vnni movdiri\n"
SAPPHIRE_RAPIDS = f"processor\t: 0\nflags\t\t: {ICE_LAKE_FLAGS} avx_vnni amx_tile amx_int8 x\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd asimddp\nCPU implementer\t: 0x41\n"
# AT_HWCAP and AT_HWCAP2 for the features of a Raspberry Pi 4, of a Raspberry Pi 5, and of the latter with i8mm
CORTEX_A72, CORTEX_A76, WITH_I8MM = (0x887, 0), (0x119FFF, 0), (0x119FFF, 0x2000)
WITH = "x86-64 with VNNI: int8 sums are exact"
WITHOUT = "x86-64 without VNNI: int8 sums are exact, but slower"


@pytest.fixture(autouse=True)
def _clear_processor_cache() -> Iterator[None]:
    this_processor.cache_clear()
    yield
    this_processor.cache_clear()


def _fake(monkeypatch: pytest.MonkeyPatch, folder: Path, cpuinfo: str | None, machine: str = "x86_64") -> None:
    path = folder / "cpuinfo"
    if cpuinfo is not None:
        path.write_text(cpuinfo, encoding="utf-8")
    monkeypatch.setattr(processor, "_CPUINFO", path)
    monkeypatch.setattr(processor, "_capabilities", lambda: (0, 0))
    monkeypatch.setattr(platform, "machine", lambda: machine)


@pytest.mark.parametrize(
    ("cpuinfo", "machine", "expected"),
    [
        (HASWELL, "x86_64", Processor("x86-64", vnni=False, vectors=("avx2",))),
        (SKYLAKE_X, "x86_64", Processor("x86-64", vnni=False)),
        (ICE_LAKE, "x86_64", Processor("x86-64", vnni=True, vectors=("avx512", "avx2"))),
        (ALDER_LAKE, "AMD64", Processor("x86-64", vnni=True, vectors=("avx_vnni", "avx2"))),
        (SAPPHIRE_RAPIDS, "x86_64", Processor("x86-64", vnni=True, vectors=("amx", "avx512", "avx_vnni", "avx2"))),
        (ARM, "aarch64", Processor("aarch64", vnni=False)),
        (None, "", Processor("unknown", vnni=False)),
    ],
)
def test_processor_is_detected_from_cpuinfo_flags(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cpuinfo: str | None, machine: str, expected: Processor
) -> None:
    _fake(monkeypatch, tmp_path, cpuinfo, machine)
    assert this_processor() == expected
    assert this_processor().saturates == (expected.machine == "x86-64" and not expected.vnni)


@pytest.mark.parametrize(
    ("cpuinfo", "flag", "left"),
    [
        *((ICE_LAKE, flag, ("avx2",)) for flag in ("avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512_vnni")),
        *((cpuinfo, "fma", ()) for cpuinfo in (HASWELL, ALDER_LAKE)),
        (ICE_LAKE, "fma", ()),
        *((cpuinfo, "avx2", ()) for cpuinfo in (HASWELL, ALDER_LAKE)),
        (ALDER_LAKE, "avx_vnni", ("avx2",)),
        (SAPPHIRE_RAPIDS, "avx_vnni", ("amx", "avx512", "avx2")),
        *((SAPPHIRE_RAPIDS, flag, ("avx512", "avx_vnni", "avx2")) for flag in ("amx_tile", "amx_int8")),
        (SAPPHIRE_RAPIDS, "avx512_vnni", ("avx_vnni", "avx2")),
    ],
)
def test_missing_cpu_flag_removes_dependent_instruction_sets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, cpuinfo: str, flag: str, left: tuple[str, ...]
) -> None:
    _fake(monkeypatch, tmp_path, cpuinfo)
    assert this_processor().vectors
    this_processor.cache_clear()
    _fake(monkeypatch, tmp_path, cpuinfo.replace(f" {flag} ", " "))
    assert this_processor().vectors == left


@pytest.mark.parametrize(
    ("capabilities", "vectors"),
    [
        (CORTEX_A72, ("neon",)),
        (CORTEX_A76, ("dotprod", "neon")),
        (WITH_I8MM, ("i8mm", "dotprod", "neon")),
        ((0, 0), ()),  # a 32-bit process, or another system than Linux
    ],
)
@pytest.mark.parametrize("machine", ["aarch64", "arm64"])
def test_arm_instruction_sets_follow_hardware_capabilities(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capabilities: tuple[int, int],
    machine: str,
    vectors: tuple[str, ...],
) -> None:
    _fake(monkeypatch, tmp_path, None, machine)  # /proc/cpuinfo is not read
    monkeypatch.setattr(processor, "_capabilities", lambda: capabilities)
    assert this_processor() == Processor(machine, vnni=False, vectors=vectors)
    assert this_processor().computes_in_fp16


@pytest.mark.skipif(platform.machine() != "aarch64", reason="on x86 glibc reports words of its own")
def test_hardware_capabilities_match_auxiliary_vector() -> None:
    """/proc/self/auxv holds the same words."""
    entries = dict(struct.iter_unpack("@LL", Path("/proc/self/auxv").read_bytes()))
    assert processor._capabilities() == (entries[16], entries.get(26, 0))


@pytest.mark.parametrize(
    ("found", "vnni"),
    [
        ({"SIMD Extensions": {"found": ["X86_V3", "X86_V4", "AVX512_ICL"]}}, True),
        ({"SIMD Extensions": {"found": ["X86_V3"]}}, False),
        ({}, False),
    ],
)
@pytest.mark.parametrize("cpuinfo", [None, "processor\t: 0\n"])
def test_vnni_is_detected_by_numpy_without_cpuinfo_flags(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cpuinfo: str | None, found: dict[str, Any], vnni: bool
) -> None:
    _fake(monkeypatch, tmp_path, cpuinfo, "AMD64")
    monkeypatch.setattr(np, "show_config", lambda mode: found)
    assert this_processor() == Processor("x86-64", vnni=vnni)


def test_numpy_detects_no_vnni_missing_from_cpuinfo() -> None:
    """numpy may miss AVX-VNNI, which it does not look for."""
    here = this_processor()
    assert here.machine
    assert here.vnni or here.machine != "x86-64" or not processor._numpy_found_vnni()


@pytest.mark.parametrize(
    ("cpuinfo", "machine", "line", "file"),
    [
        (ICE_LAKE, "x86_64", WITH, "onnx/model_quantized.onnx"),
        (HASWELL, "x86_64", WITHOUT, "onnx/model_quantized_without_vnni.onnx"),
        (ARM, "aarch64", "aarch64", "onnx/model_quantized.onnx"),
    ],
)
def test_info_command_shows_processor_and_file(
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cpuinfo: str,
    machine: str,
    *,
    line: str,
    file: str,
) -> None:
    _fake(monkeypatch, tmp_path, cpuinfo, machine)
    arguments = ["info", "--device", "cpu", "--model", str(tiny_bundle), "--variant", "int8"]
    shown = CliRunner().invoke(main, arguments, catch_exceptions=False).stdout.splitlines()
    assert [entry.split(maxsplit=1)[1] for entry in shown if entry.startswith("processor ")] == [line]
    as_json = json.loads(CliRunner().invoke(main, [*arguments, "--json"], catch_exceptions=False).stdout)
    assert (as_json["processor"], as_json["file"]) == (line, file)


@pytest.mark.parametrize("cpuinfo", [HASWELL, ICE_LAKE])
def test_fp32_file_is_independent_of_processor(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpuinfo: str
) -> None:
    _fake(monkeypatch, tmp_path, cpuinfo)
    classifier = SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cpu", variant="fp32"))
    assert classifier.describe()["file"] == "onnx/model.onnx"
