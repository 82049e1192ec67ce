"""``python -m export``: checkpoint to bundle."""

import os
import sys
from pathlib import Path

import click

from spam_edge.errors import SpamEdgeError


@click.command(
    epilog="Example: python -m export --checkpoint artifacts/checkpoint --output artifacts/bundle",
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    default=Path("artifacts/checkpoint"),
    help="Folder that `python -m spam_edge.training` wrote.",
)
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("artifacts/bundle"), help="Folder of the bundle."
)
@click.option("--name", default="spam-edge-sms", help="Name of the model, recorded in the manifest.")
@click.option("--model-version", default="1", help="Version of the model, recorded in the manifest.")
def main(checkpoint: Path, output: Path, name: str, model_version: str) -> None:
    """Export a checkpoint to a bundle: ONNX in fp32, fp16 and int8, checked against PyTorch.

    The bundle appears under its name only when every file has passed the gate; a bundle that stood there
    before stays until then. Exit code 1 means that nothing was exported.
    """
    # Threads that wait by spinning take the core their sibling needs; OpenMP reads this when torch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from export.assemble import export_bundle  # noqa: PLC0415 - seconds of imports that --help does not need

    try:
        export_bundle(
            checkpoint,
            output,
            name=name,
            version=model_version,
            report=lambda line: click.echo(line, err=True),
        )
    except SpamEdgeError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    click.echo(f"bundle written to {output}", err=True)


if __name__ == "__main__":
    main()
