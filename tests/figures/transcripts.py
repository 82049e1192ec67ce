"""Refresh console blocks whose output depends on the bundle: regions named ``transcript``."""

from tests.figures.pages import parse_commands
from tests.figures.scratch import Scratch, run_page

TRANSCRIPT = "transcript"


def rewrite_transcripts(text: str, scratch: Scratch) -> str:
    """Run a page and update the output shown in its transcripts.

    A command without shown output stays without.
    """
    for block, printed in list(run_page(text, scratch, trained=True)):
        if block.region == TRANSCRIPT:
            commands = parse_commands(block.code)
            lines = [
                "$ " + command.text.replace("\n", "\n> ") + "\n" + (output if command.shown else "")
                for command, output in zip(commands, printed, strict=True)
            ]
            text = text.replace(block.code, "".join(lines))
    return text
