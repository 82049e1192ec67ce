"""Make an environment from a folder of wheels, for a machine without a network."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.gpu.parts import FAILED, OK

_READY = "ready"
_HIDES = "import sys; sys.modules['peft'] = None"
"""transformers imports peft for every training if there is one, which may ask for another transformers."""


def make_environment(wheels: Path | None, folder: Path) -> tuple[str, dict[str, Any]]:
    """Install all wheels of a folder into an environment that also sees the packages of this interpreter.

    The wheels are installed without their dependencies: what the machine has already needs no wheel. An environment
    that is complete is used again.

    Args:
        wheels: folder of the wheels; None to run with this interpreter.
        folder: folder of the environment.

    Returns:
        Path of its interpreter, and status, reason, duration and figures as those of a part. If the installation
        fails, the interpreter is this one.
    """
    if wheels is None:
        return sys.executable, {"status": OK, "reason": "", "seconds": 0.0, "figures": {"wheels": []}}
    began = time.monotonic()
    files = sorted(wheels.glob("*.whl"))
    reason = "" if files else f"{wheels} holds no wheel; fill it as docs/contributing.md says"
    if files and not (folder / _READY).is_file():
        reason = _install(files, folder)
    outcome = {"status": FAILED if reason else OK, "reason": reason, "seconds": round(time.monotonic() - began, 1)}
    python = sys.executable if reason else str(folder / "bin" / "python")
    return python, outcome | {"figures": {"wheels": [file.name for file in files]}}


def cuda_libraries() -> str:
    """Return a library path with the CUDA packages that this interpreter sees.

    onnxruntime looks for them beside itself only, which an environment on top of another one does not satisfy.
    """
    folders = [str(path) for site in _site_packages() for path in sorted(Path(site).glob("nvidia/*/lib"))]
    return ":".join(folders)


def _install(files: list[Path], folder: Path) -> str:
    """Create the environment; return the last line that pip printed if it fails, else an empty string."""
    install = ["install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--ignore-installed"]
    install += ["--no-compile"]  # most modules are never imported
    commands = [
        [sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)],
        [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), *install, *map(str, files)],
    ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
    # --system-site-packages would show the packages of the interpreter that this one was made from, if this one is
    # itself an environment.
    [target] = folder.glob("lib/python*/site-packages")
    (target / "outer.pth").write_text("\n".join([*_site_packages(), _HIDES]) + "\n", encoding="utf-8")
    (folder / _READY).touch()
    return ""


def _site_packages() -> list[str]:
    return [path for path in sys.path if Path(path).name in {"site-packages", "dist-packages"}]
