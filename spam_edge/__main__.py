"""Entry point of the command ``spam-edge`` and of ``python -m spam_edge``."""

import sys


def run() -> None:
    """Run the command. An interruption while modules are imported ends it as one later does."""
    try:
        from spam_edge.cli import main  # noqa: PLC0415 - its imports are to be interrupted quietly

        main(prog_name="spam-edge")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run()
