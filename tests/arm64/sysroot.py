"""Make a folder with an ARM64 Python and the packages of the runtime, which QEMU's user mode runs.

Debian's packages for arm64 give the interpreter, wheels from the package index give the rest. apt gets a state of its
own, so the packages of this machine are left alone, and nothing needs root.
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from tests.arm64.emulator import UnavailableError, emulator
from tests.support.parallel import once_in

SYSROOT = Path(__file__).parents[2] / "artifacts" / "arm64"
"""Where it is unless another folder is named."""
ONNXRUNTIME = "1.27.0"
"""1.30 and 1.32 crash in QEMU, while they read the processors of the x86 machine in /sys."""
RUNTIME = ("numpy", "tokenizers", "click", "packaging")
TESTS = (
    *("pytest", "pluggy", "iniconfig", "hypothesis", "sortedcontainers"),
    *("onnx", "ml_dtypes", "typing_extensions", "hatchling"),
)
_PLATFORMS = (*(f"manylinux_2_{minor}_aarch64" for minor in range(17, 35)), "manylinux2014_aarch64", "any")
# Beside the interpreter and the libraries of its modules; the names of other packages are found.
_LIBRARIES = ("libgcc-s1", "libstdc++6", "zlib1g")
_PYTHON = """\
#!/bin/sh
root=$(dirname "$0")/../..
exec {emulator} -0 "$0" -L "$root" "$root/usr/bin/python{version}" "$@"
"""


def sysroot_python(folder: Path, *, tests: bool = False) -> Path:
    """Return the ARM64 Python of a folder, a program for this machine; make the folder first if it does not exist.

    Processes may ask for one folder at the same time.

    Args:
        folder: where it is, or is to be made.
        tests: also install what the tests need.

    Raises:
        UnavailableError: QEMU, apt or pip cannot give what is needed.
    """
    done = once_in(folder.parent)(folder.name, _fill) / "usr" / "bin" / "python"
    if tests and not (_packages(folder) / TESTS[-1]).is_dir():
        [minor] = re.findall(r"python(3\.\d+)", done.read_text(encoding="utf-8"))
        _install(folder, minor, _as_here(TESTS))
    return done


def _fill(root: Path) -> None:
    minor = _unpack_interpreter(root)
    _install(root, minor, [f"onnxruntime=={ONNXRUNTIME}", *_as_here(RUNTIME)])
    _write_program(root, minor)


def _as_here(names: Iterable[str]) -> list[str]:
    """Return requirements for the versions that are installed here, so that results can be compared."""
    return [f"{name}=={version(name)}" for name in names]


def _packages(root: Path) -> Path:
    [folder] = root.glob("usr/lib/python3.*/site.py")
    return root / "usr" / "local" / "lib" / folder.parent.name / "dist-packages"


def _unpack_interpreter(root: Path) -> str:
    """Unpack Debian's packages of its default Python, and return its version, such as 3.11."""
    state = root / "apt"
    for name in ("lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True)
    (state / "status").touch()
    options = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "root" if os.getuid() == 0 else "",
        "Acquire::Languages": "none",
        "Dir::State": state,
        "Dir::State::Lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::Cache": state / "cache",
    }
    apt = [argument for name, value in options.items() for argument in ("-o", f"{name}={value}")]
    _run(["apt-get", *apt, "--quiet=2", "update"], "apt cannot list the packages for arm64")
    depends = _run(["apt-cache", *apt, "depends", "python3-minimal"], "apt does not know python3-minimal for arm64")
    named = re.search(r"python(3\.\d+)-minimal", depends)
    if named is None:
        raise UnavailableError("the package python3-minimal for arm64 names no version of Python")
    minor = named[1]
    names = set(_LIBRARIES)
    for package in (f"python{minor}-minimal", f"libpython{minor}-minimal", f"libpython{minor}-stdlib"):
        listed = _run(["apt-cache", *apt, "depends", package], f"apt does not know {package} for arm64")
        names |= {package, *re.findall(r"^ *(?:Pre)?Depends: (lib[\w.+-]+)$", listed, flags=re.MULTILINE)}
    _run(["apt-get", *apt, "--quiet=2", "download", *sorted(names)], "apt cannot download packages", folder=state)
    for archive in sorted(state.glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(archive), str(root)], f"{archive.name} cannot be unpacked")
    shutil.rmtree(state)
    return minor


def _install(root: Path, minor: str, requirements: Sequence[str]) -> None:
    """Unpack wheels for ARM64 where the interpreter looks for packages. Dependencies are listed, not resolved."""
    wheels, packages = root / "wheels", _packages(root)
    abis = (f"cp{minor.replace('.', '')}", "abi3", "none")
    tags = [f"--python-version={minor}", "--implementation=cp", *(f"--abi={abi}" for abi in abis)]
    tags += [f"--platform={platform}" for platform in _PLATFORMS]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command = [*pip, "--only-binary=:all:", *tags, f"--dest={wheels}", *requirements]
    _run(command, "pip cannot download wheels for ARM64")
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages)
    shutil.rmtree(wheels)


def _write_program(root: Path, minor: str) -> None:
    """Write the program that Python takes for itself, so that it can start a second process."""
    program = root / "usr" / "bin" / "python"
    program.write_text(_PYTHON.format(emulator=emulator(), version=minor), encoding="utf-8")
    program.chmod(0o755)


def _run(command: list[str], what: str, folder: Path | None = None) -> str:
    """Run a command and return its output.

    Raises:
        UnavailableError: it failed; the message is ``what``, and the last line that it printed.
    """
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise UnavailableError(f"{what}: {command[0]} is not installed") from error
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.stdout or "").strip().splitlines()
        raise UnavailableError(f"{what}: {lines[-1] if lines else f'exit status {error.returncode}'}") from error
    return done.stdout
