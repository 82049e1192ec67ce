"""The part ``tests``: run the tests that are marked ``gpu``."""

import os
import subprocess
import sys
from xml.etree import ElementTree

from tests.gpu.parts import ROOT, Save
from tests.gpu.settings import Settings

_MARK = "pytest.mark.gpu"


def run(settings: Settings, save: Save) -> None:
    """Run the tests and report each that did not pass.

    Raises:
        RuntimeError: a test failed, or pytest did not run.
    """
    report = settings.work / "gpu-tests.xml"
    # Only these files are collected: others need packages that the machine may lack. Warnings are no errors here, and
    # plug-ins stay out: libraries of the machine have other versions than constraints.txt.
    paths = [str(path) for path in ROOT.glob("tests/**/test_*.py") if _MARK in path.read_text(encoding="utf-8")]
    options = ["-m", "gpu", "-q", "-p", "no:cacheprovider", "-W", "default", f"--junitxml={report}"]
    report.unlink(missing_ok=True)
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", *options, *paths]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    if not report.is_file():
        raise RuntimeError(f"pytest did not run: exit code {done.returncode}")
    cases = list(ElementTree.parse(report).iter("testcase"))
    found = {kind: [case for case in cases if case.find(kind) is not None] for kind in ("failure", "error", "skipped")}
    failed = [*found["failure"], *found["error"]]
    save(
        passed=len(cases) - len(failed) - len(found["skipped"]),
        skipped={_name(case): _reason(case, "skipped") for case in found["skipped"]},
        failed={_name(case): _reason(case, "failure") or _reason(case, "error") for case in failed},
    )
    if failed or done.returncode:
        raise RuntimeError(f"{len(failed)} of {len(cases)} tests failed, first {_name(failed[0]) if failed else ''}")


def _name(case: ElementTree.Element) -> str:
    return f"{case.get('classname')}.{case.get('name')}"


def _reason(case: ElementTree.Element, kind: str) -> str:
    found = case.find(kind)
    return "" if found is None else (found.get("message") or "")[:500]
