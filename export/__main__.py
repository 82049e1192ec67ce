"""``python -m export``: export a checkpoint to a bundle."""

import os
import sys
from pathlib import Path

import click

from export.command_options import checkpoint_option
from spam_edge.errors import SpamEdgeError
from spam_edge.escapes import one_line
from spam_edge.signals import raised_signals


@click.command(
    epilog="Example: python -m export --checkpoint artifacts/checkpoint --output artifacts/bundle",
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@checkpoint_option
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("artifacts/bundle"), help="Bundle folder to write."
)
@click.option("--name", default="spam-edge-sms", help="Model name for the manifest.")
@click.option("--model-version", default="1", help="Model version for the manifest.")
def main(checkpoint: Path, output: Path, name: str, model_version: str) -> None:
    """Export a checkpoint to a bundle: ONNX in fp32, fp16 and int8, checked against PyTorch.

    The bundle is renamed into place only after every file has passed the gate; an existing bundle stays until
    then. Exit code 1 means that nothing was exported.
    """
    # Spinning OpenMP threads starve each other. OpenMP reads the wait policy when torch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from export.assembly import export_bundle  # noqa: PLC0415 - slow to import, not needed for --help

    try:
        with raised_signals():
            export_bundle(
                checkpoint,
                output,
                name=name,
                version=model_version,
                report=lambda line: click.echo(line, err=True),
            )
    except (SpamEdgeError, OSError) as error:
        click.echo(f"Error: {one_line(str(error))}", err=True)
        sys.exit(1)
    click.echo(one_line(f"bundle written to {output}"), err=True)


if __name__ == "__main__":
    main()
