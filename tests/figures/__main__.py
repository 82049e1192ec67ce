"""``python -m tests.figures``: write the figures of the artifacts into README.md and docs/."""

import json
import tempfile
from pathlib import Path

import click

from tests.figures.artifacts import CUDA_RUN, FIGURES
from tests.figures.pages import PAGES, ROOT, parse_regions, replace_regions
from tests.figures.scratch import Scratch
from tests.figures.transcripts import TRANSCRIPT, rewrite_transcripts
from tests.gpu import quote


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 when a page is stale.")
@click.option(
    "--card",
    type=click.Path(path_type=Path),
    metavar="BUNDLE",
    help="Also write the figures of a run on CUDA into the model card of this bundle, if they are of its fp16 file.",
)
def main(*, check: bool, card: Path | None) -> None:
    """Write the figures of artifacts/ into the regions of README.md and docs/.

    A region without its artifact stays unchanged. Transcripts are made by running their commands on artifacts/bundle.
    """
    if card is not None:
        _refresh_card(card)
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


def _refresh_card(path: Path) -> None:
    """Write the figures of the run on CUDA into card and manifest of a bundle; its digest changes.

    Raises:
        ClickException: there is no such run, it is of another fp16 file, or the bundle has no place for it.
    """
    from export.report.amend import amend
    from spam_edge.bundle.locate import Bundle
    from spam_edge.errors import SpamEdgeError

    try:
        bundle = Bundle.find(path)
        run = ROOT / CUDA_RUN
        sha256 = bundle.manifest.files[bundle.manifest.variants["fp16"].file].sha256
        results = json.loads(run.read_bytes()) if run.is_file() else {"parts": {}}
        text = quote.card(results, sha256)
        if text is None:
            raise click.ClickException(f"{CUDA_RUN} has no run on CUDA of the fp16 file of {path}")
        amend(bundle, quote.PLACE, text, metrics={"gpu": quote.difference(results)})
    except SpamEdgeError as error:
        raise click.ClickException(str(error)) from error


def _content(name: str, content: str) -> str:
    if name == TRANSCRIPT:
        return content
    made = FIGURES[name].read(ROOT)
    return content if made is None else made


if __name__ == "__main__":
    main(prog_name="python -m tests.figures")
