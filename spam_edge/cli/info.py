"""The command ``spam-edge info``."""

import click

from spam_edge.cli.console import show, show_json
from spam_edge.cli.options import RuntimeChoice, examples, runtime_options
from spam_edge.cli.tables import info_lines


@click.command(
    short_help="Show the model and its settings on this machine.",
    epilog=examples("spam-edge info", "spam-edge info --model artifacts/bundle --json"),
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@runtime_options
def info(*, runtime: RuntimeChoice, as_json: bool) -> None:
    """Show the model and its settings.

    Bundle, digest, variant, provider, instruction set, threads, thresholds, versions.
    """
    description = runtime.load().describe()
    if as_json:
        show_json(description)
    else:
        show(info_lines(description))
