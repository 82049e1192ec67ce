"""The command line, ``spam-edge``. Data goes to standard output, everything else to standard error.

Whatever needs numpy or onnxruntime is imported inside the commands, so that help and shell completion do
not wait for it.
"""

import json
from importlib import import_module

import click

from spam_edge import __version__
from spam_edge.cli_base import ErrorGroup, RuntimeChoice, examples, runtime_options
from spam_edge.reports import check_lines, info_lines

_ELSEWHERE = ("batch", "bench", "classify", "drift", "explain")
"""Commands with a module of their own, for which the others do not wait."""


class _Commands(ErrorGroup):
    """The commands of this file and those elsewhere."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _ELSEWHERE:
            command: click.Command = getattr(import_module(f"spam_edge.cli_{cmd_name}"), cmd_name)
            return command
        return super().get_command(ctx, cmd_name)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "spam-edge classify messages.txt",
        "tail -f incoming.log | spam-edge classify --only spam",
        "spam-edge verify",
        "",
        'Shell completion: eval "$(_SPAM_EDGE_COMPLETE=bash_source spam-edge)" (or zsh_source, fish_source)',
    ),
)
@click.version_option(__version__, prog_name="spam-edge")
def main() -> None:
    """Tell spam from ham with a small model that runs on this machine, without a network."""


@main.command(
    short_help="Show which model runs here.",
    epilog=examples("spam-edge info", "spam-edge info --model artifacts/bundle --json"),
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@runtime_options
def info(*, runtime: RuntimeChoice, as_json: bool) -> None:
    """Show which model runs here: bundle, digest, variant, provider, threads, thresholds, versions."""
    from spam_edge.classifier import SpamClassifier  # noqa: PLC0415

    description = SpamClassifier.load(runtime.model, runtime.options()).describe()
    click.echo(json.dumps(description, indent=2) if as_json else "\n".join(info_lines(description)))


@main.command(
    short_help="Check the bundle on this machine.",
    epilog=examples("spam-edge verify", "spam-edge verify --variant fp32 --json"),
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@runtime_options
def verify(*, runtime: RuntimeChoice, as_json: bool) -> None:
    """Check that the bundle is whole and gives on this machine the verdicts measured at export.

    Hashes every file, then replays the golden messages and compares with what PyTorch said of them. Exits with 1
    when a check fails.
    """
    from spam_edge.verification import verify_bundle  # noqa: PLC0415

    report = verify_bundle(runtime.model, runtime.options())
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else "\n".join(check_lines(report)))
    if not report.ok:
        click.get_current_context().exit(1)
