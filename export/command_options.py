"""Command-line options that several commands of ``export`` have."""

from pathlib import Path

import click

bundle_option = click.option(
    "--bundle", type=click.Path(path_type=Path), default=Path("artifacts/bundle"), help="Bundle folder."
)
checkpoint_option = click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    default=Path("artifacts/checkpoint"),
    help="Checkpoint folder written by `python -m spam_edge.training`.",
)
