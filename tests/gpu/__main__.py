"""``python -m tests.gpu``: settle in one run what needs a CUDA device, and write the results to one file."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from tests.benchmarks.conductor import write_json
from tests.gpu.environment import cuda_libraries, make_environment
from tests.gpu.parts import FAILED, LATE, OK, PARTS, ROOT, environment_of, run_part
from tests.gpu.report import summary
from tests.gpu.settings import SHAPES, Settings

_DEVICE = "device"
_NAMES = [part.name for part in PARTS]


def _parse_extras(context: click.Context, option: click.Parameter, values: Sequence[str]) -> dict[str, Path]:
    """Parse ``NAME=FILE``."""
    found = {}
    for value in values:
        name, _, path = value.partition("=")
        if not name or not Path(path).is_file():
            raise click.BadParameter(f"{value!r} is not NAME=FILE with a file that exists", context, option)
        found[name] = Path(path).resolve()
    return found


def _parse_parts(context: click.Context, option: click.Parameter, value: str | None) -> list[str]:
    names = _NAMES if value is None else [name.strip() for name in value.split(",")]
    if unknown := set(names) - set(_NAMES):
        raise click.BadParameter(
            f"unknown part {', '.join(sorted(unknown))}; choose from {', '.join(_NAMES)}", context, option
        )
    return names


_folder = click.Path(exists=True, file_okay=False, path_type=Path, resolve_path=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--wheels", type=_folder, help="Folder of wheels to install first; without it, this interpreter is used.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("artifacts/benchmark/gpu.json"),
    help="JSON file of the results, written after every part.",
)
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path, resolve_path=True),
    default=Path("artifacts/gpu"),
    help="Folder of the environment, checkpoints, bundles and logs. What is complete in it is used again.",
)
@click.option("--bundle", type=_folder, help="Bundle to use [default: one exported from the checkpoint].")
@click.option("--checkpoint", type=_folder, help="Checkpoint of the bundle [default: the one that the run trains].")
@click.option("--extra", "extras", multiple=True, callback=_parse_extras, metavar="NAME=FILE", help="Labelled file.")
@click.option("--parts", callback=_parse_parts, metavar="NAME,...", help="Parts to run [default: all].")
@click.option("--missing", is_flag=True, help="Run the parts that are not ok in --output, and keep the others.")
@click.option(
    "--prepare",
    is_flag=True,
    help="Only make what needs no CUDA device, in full, in --work; then bring it along. Needs --checkpoint.",
)
@click.option("--seconds", type=click.IntRange(1), default=540, help="Time limit of the run.")
def main(
    *,
    wheels: Path | None,
    output: Path,
    parts: list[str],
    missing: bool,
    prepare: bool,
    seconds: int,
    **given: Any,
) -> None:
    """Train, test and measure on CUDA; without a CUDA device, in a small form on the CPU.

    Every part runs in a process of its own with a time limit. One that fails is reported and stops nothing; its log is
    in the results. Exit code 1 means that a part failed.
    """
    deadline = time.monotonic() + seconds
    if prepare and given["checkpoint"] is None:
        raise click.UsageError("--prepare needs --checkpoint")
    settings = Settings(**given, full=prepare)
    if prepare:
        parts = [f"bundle {shape}" for shape in SHAPES]
    results: dict[str, Any] = {"parts": _read(output)}
    python, results["parts"]["environment"] = make_environment(wheels, settings.work / "environment")
    environment = environment_of(str(ROOT), cuda_libraries())
    done = {name for name, part in results["parts"].items() if part["status"] == OK} if missing else set()
    for part in PARTS:
        if part.name not in {_DEVICE, *parts}:
            continue
        if part.name in done:
            outcome = results["parts"][part.name]
        else:
            click.echo(f"{part.name} ...", err=True)
            left = deadline - time.monotonic()
            outcome = run_part(part, settings, python=python, environment=environment, seconds=left)
            click.echo(f"{part.name}: {outcome['status']}, {outcome['seconds']:.0f} s {outcome['reason']}", err=True)
        results["parts"][part.name] = outcome
        if part.name == _DEVICE:
            figures = outcome["figures"]
            cuda, torch_cuda = (figures.get(name, False) for name in ("cuda", "torch_cuda"))
            settings = replace(settings, cuda=cuda, torch_cuda=torch_cuda, full=prepare or cuda)
        write_json(results, output)
    click.echo(summary(results))
    if any(part["status"] in {FAILED, LATE} for part in results["parts"].values()):
        sys.exit(1)


def _read(path: Path) -> dict[str, Any]:
    """Return the parts of earlier results; none if there are no results.

    Raises:
        ClickException: the file is not one of this program.
    """
    try:
        parts: dict[str, Any] = json.loads(path.read_bytes())["parts"]
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise click.ClickException(f"{path} is not from python -m tests.gpu; name another --output") from error
    return parts


if __name__ == "__main__":
    main(prog_name="python -m tests.gpu")
