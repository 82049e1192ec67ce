"""The command ``spam-edge verify``."""

import click

from spam_edge.cli.console import show, show_json
from spam_edge.cli.options import RuntimeChoice, examples, runtime_options
from spam_edge.cli.tables import check_lines
from spam_edge.diagnostics.verify_subprocess import MEMORY, SECONDS, Limits, verify_in_subprocess


@click.command(
    short_help="Check the bundle on this machine.",
    epilog=examples("spam-edge verify", "spam-edge verify --variant fp32 --json"),
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=0, min_open=True, max=10**6),
    default=SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="Stop after this time.",
)
@click.option(
    "--max-memory",
    type=click.IntRange(min=1, max=2**40),
    default=MEMORY,
    show_default=True,
    metavar="MIB",
    help="Address space for the verification.",
)
@runtime_options
def verify(*, runtime: RuntimeChoice, as_json: bool, max_seconds: float, max_memory: int) -> None:
    """Check that the bundle is intact and reproduces the reference verdicts on this machine.

    Checks the hash of every file, then replays the golden messages and compares the results with those of PyTorch.
    Exits with 1 if a check fails. Runs in a process of its own, whose time and memory are limited: a bundle from
    elsewhere can neither hang nor fill the machine.
    """
    limits = Limits(seconds=max_seconds, memory=max_memory)
    report = verify_in_subprocess(runtime.model, runtime.options(), limits=limits, on_found=runtime.announce)
    if as_json:
        show_json(report.to_dict())
    else:
        show(check_lines(report))
    if not report.ok:
        click.get_current_context().exit(1)
