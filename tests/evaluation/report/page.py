"""Render ``evaluation.json`` as one page with its pictures.

python -m tests.evaluation.report.page artifacts/report/evaluation.json
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import click
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from spam_edge.atomic import atomic_directory, atomic_file
from spam_edge.errors import SpamEdgeError
from tests.evaluation.report.blocks import Section
from tests.evaluation.report.cards import cards
from tests.evaluation.report.document import BASELINE, OURS, read_evaluation, title_of
from tests.evaluation.report.drawing import Picture
from tests.evaluation.report.pictures import draw_pictures
from tests.evaluation.report.sections_ground import cost_sections, error_section, ground_section
from tests.evaluation.report.sections_robust import robustness_sections
from tests.evaluation.report.sections_scores import goal_section, leaky_section, score_sections
from tests.evaluation.report.sections_today import today_sections
from tests.evaluation.report.wording import visible

PAGE, PICTURES = "index.html", "pictures"


def write_report(evaluation: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write ``index.html`` and the folder ``pictures`` with a PNG of each picture, replacing existing ones.

    Args:
        evaluation: content of ``evaluation.json``.
        folder: output folder.

    Returns:
        Paths of the written files, ``index.html`` first.
    """
    pictures = draw_pictures(evaluation)
    with atomic_directory(folder / PICTURES) as partial:
        for picture in pictures.values():
            (partial / f"{picture.name}.png").write_bytes(picture.png)
    with atomic_file(folder / PAGE) as stream:
        stream.write(render(evaluation, pictures))
    return [folder / PAGE, *(folder / PICTURES / f"{name}.png" for name in pictures)]


def render(evaluation: Mapping[str, Any], pictures: Mapping[str, Picture]) -> str:
    """Return the HTML of the page with its pictures inline.

    Args:
        evaluation: content of ``evaluation.json``.
        pictures: as :func:`draw_pictures` returns them.
    """
    return _template().render(
        cards=cards(evaluation),
        ours=title_of(evaluation, OURS),
        baseline=title_of(evaluation, BASELINE),
        sections=list(_sections(evaluation, pictures)),
        corpus=evaluation["corpus"],
        quick=bool(evaluation.get("quick")),
        created=evaluation.get("created"),
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["svg"] = lambda picture: Markup(picture.svg)  # matplotlib escapes the text in it
    return environment.get_template("page.html.jinja")


def _finalize(value: Any) -> Any:
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return visible(value).replace(" %", "\N{NO-BREAK SPACE}%")


def _sections(evaluation: Mapping[str, Any], pictures: Mapping[str, Picture]) -> Iterator[Section]:
    if goals := evaluation.get("goals"):
        yield goal_section(goals)
    yield from today_sections(evaluation, pictures)
    yield from score_sections(evaluation, pictures)
    yield from robustness_sections(evaluation, pictures)
    yield from cost_sections(evaluation)
    if errors := evaluation.get("errors"):
        yield error_section(errors)
    if leaky := evaluation.get("leaky"):
        yield leaky_section(evaluation, leaky)
    yield ground_section(evaluation)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("evaluation", type=click.Path(path_type=Path))
def main(evaluation: Path) -> None:
    """Render the page and its pictures from EVALUATION, the evaluation.json of `make evaluate`, into its folder."""
    try:
        files = write_report(read_evaluation(evaluation), evaluation.parent)
    except (SpamEdgeError, OSError) as error:
        raise click.ClickException(" ".join(str(error).split())) from error
    click.echo(f"written: {files[0]} and {len(files) - 1} pictures in {evaluation.parent / PICTURES}", err=True)


if __name__ == "__main__":
    main()
