"""``python -m export.quote``: copy the results of `make evaluate` into the model card of a bundle."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from export.command_options import bundle_option
from export.errors import ExportError
from export.report.amend import CARD, amend
from spam_edge.bundle.locate import Bundle
from spam_edge.errors import SpamEdgeError
from spam_edge.escapes import one_line

_PLACE = "evaluation"


@click.command(
    epilog="Example: python -m export.quote artifacts/report/evaluation.json",
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.argument("evaluation", type=click.Path(path_type=Path))
@bundle_option
def main(evaluation: Path, bundle: Path) -> None:
    """Quote EVALUATION, the evaluation.json of `make evaluate`, in the model card of a bundle."""
    try:
        quoted = quote(evaluation, Bundle.find(bundle))
    except SpamEdgeError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    done = f"quotes {evaluation}" if quoted else f"is unchanged: {evaluation} is from a quick run"
    click.echo(one_line(f"{bundle / CARD} {done}"), err=True)


def quote(evaluation: Path, bundle: Bundle) -> bool:
    """Replace the evaluation section of the card, and the hash of the card in the manifest.

    Returns:
        Whether the section was replaced; a quick run has too few messages to quote.

    Raises:
        ExportError: the evaluation cannot be read or is of another corpus or recipe, or the card has no such section.
    """
    found = _read(evaluation)
    manifest = bundle.manifest
    training = manifest.provenance["training"]
    if found["fingerprint"] != training["corpus"]["fingerprint"]:
        raise ExportError(
            f"{evaluation} is from another corpus than {bundle.path}; run `make evaluate` with the data of the bundle"
        )
    if other := _other_settings(found["settings"], training["settings"]):
        raise ExportError(f"{evaluation} has other settings than {bundle.path} ({other}); run `make evaluate` again")
    if found["quick"]:
        return False
    amend(bundle, _PLACE, found["quote"])
    return True


def _other_settings(evaluated: Mapping[str, Any], shipped: Mapping[str, Any]) -> str:
    """List the shared settings that differ. The seed is ignored: folds have their own."""
    names = sorted((evaluated.keys() & shipped.keys()) - {"seed"})
    return ", ".join(
        f"{name} {evaluated[name]} instead of {shipped[name]}" for name in names if evaluated[name] != shipped[name]
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
        return {
            "fingerprint": found["corpus"]["fingerprint"],
            "settings": dict(found["settings"]),
            "quick": bool(found["quick"]),
            "quote": str(found["quote"]),
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExportError(f"{path} cannot be read ({error!r}); run `make evaluate` again") from error


if __name__ == "__main__":
    main(prog_name="python -m export.quote")
