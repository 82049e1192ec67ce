"""``python -m tests.figures``: write the figures of the artifacts into README.md and docs/."""

import tempfile
from pathlib import Path

import click

from tests.figures.artifacts import FIGURES
from tests.figures.pages import PAGES, ROOT, parse_regions, replace_regions
from tests.figures.scratch import Scratch
from tests.figures.transcripts import TRANSCRIPT, rewrite_transcripts


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 when a page is stale.")
def main(*, check: bool) -> None:
    """Write the figures of artifacts/ into the regions of README.md and docs/.

    A region without its artifact stays unchanged. Transcripts are made by running their commands on artifacts/bundle.
    """
    stale = [page for page in PAGES if _refresh(page, write=not check)]
    for page in stale:
        click.echo(f"{page.relative_to(ROOT)} {'is stale' if check else 'rewritten'}")
    if check and stale:
        raise SystemExit(1)


def _refresh(page: Path, *, write: bool) -> bool:
    """Return whether a page is stale, and with ``write`` rewrite it."""
    before = page.read_text(encoding="utf-8")
    after = replace_regions(before, _content)
    bundle = ROOT / "artifacts" / "bundle"
    if TRANSCRIPT in parse_regions(before) and (bundle / "manifest.json").is_file():
        with tempfile.TemporaryDirectory(prefix="spam-edge-figures-") as folder:
            after = rewrite_transcripts(after, Scratch(Path(folder), bundle))
    if write and after != before:
        page.write_text(after, encoding="utf-8")
    return after != before


def _content(name: str, content: str) -> str:
    if name == TRANSCRIPT:
        return content
    made = FIGURES[name].read(ROOT)
    return content if made is None else made


if __name__ == "__main__":
    main(prog_name="python -m tests.figures")
