"""Entry point of ``python -m spam_edge``."""

from spam_edge.cli import main

if __name__ == "__main__":
    main(prog_name="spam-edge")
