"""The command group ``spam-edge``. Data goes to standard output, everything else to standard error.

numpy and onnxruntime are imported inside the commands, to keep help and shell completion fast.
"""

import atexit
import gc
from importlib import import_module

import click

from spam_edge import __version__
from spam_edge.cli.errors import ErrorGroup
from spam_edge.cli.options import examples

# At exit, the collector would look at every object several times: a seventh of the time of one message.
atexit.register(gc.freeze)

_COMMANDS = ("batch", "bench", "classify", "drift", "explain", "info", "verify")
"""One module each, imported on demand."""


class _Commands(ErrorGroup):
    """A command group with lazy imports."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(f"spam_edge.cli.{cmd_name}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name the closest one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches  # noqa: PLC0415 - not needed to classify

            if close := get_close_matches(args[0], _COMMANDS, n=1):
                error.message += f" Did you mean {close[0]!r}?"  # type: ignore[misc]  # it is declared final
            raise


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
    """Classify messages as spam or ham with a small model on this machine, without a network."""
