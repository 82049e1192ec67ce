"""``python -m export.quote``: put what `make evaluate` found into the model card of a bundle."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from export.amend import CARD, amend
from export.errors import ExportError
from spam_edge.bundle import Bundle
from spam_edge.errors import SpamEdgeError

_PLACE = "evaluation"


@click.command(
    epilog="Example: python -m export.quote artifacts/report/evaluation.json",
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.argument("evaluation", type=click.Path(path_type=Path))
@click.option("--bundle", type=click.Path(path_type=Path), default=Path("artifacts/bundle"), help="The bundle.")
def main(evaluation: Path, bundle: Path) -> None:
    """Quote EVALUATION, the evaluation.json of `make evaluate`, in the model card of a bundle."""
    try:
        quoted = quote(evaluation, Bundle.find(bundle))
    except SpamEdgeError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    done = f"quotes {evaluation}" if quoted else f"stays as it was: {evaluation} is of a quick run"
    click.echo(f"{bundle / CARD} {done}", err=True)


def quote(evaluation: Path, bundle: Bundle) -> bool:
    """Replace what the card says of the evaluation, and its hash in the manifest.

    Returns:
        Whether it was replaced; the few messages of a quick run are not to be quoted.

    Raises:
        ExportError: the evaluation cannot be read, or is about another corpus or recipe; the card has no place for it.
    """
    found = _read(evaluation)
    manifest = bundle.manifest
    training = manifest.provenance["training"]
    if found["fingerprint"] != training["corpus"]["fingerprint"]:
        raise ExportError(
            f"{evaluation} is about another corpus than the model of {bundle.path}; run `make evaluate` with its data"
        )
    if other := _other_settings(found["settings"], training["settings"]):
        raise ExportError(
            f"{evaluation} is about another recipe than that of {bundle.path} ({other}); run `make evaluate` again"
        )
    if found["quick"]:
        return False
    amend(bundle, _PLACE, found["quote"])
    return True


def _other_settings(evaluated: Mapping[str, Any], shipped: Mapping[str, Any]) -> str:
    """Say which settings that both have differ; the seed may, for the folds have one of their own."""
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
