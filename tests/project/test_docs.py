"""Documentation: code blocks run, figures are current, and documented options, targets and links exist."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from spam_edge.cli import main
from tests.figures.artifacts import FIGURES
from tests.figures.pages import (
    CONSOLE,
    PAGES,
    PYTHON,
    ROOT,
    Block,
    parse_blocks,
    parse_commands,
    parse_regions,
    prose,
)
from tests.figures.scratch import Scratch, run_page
from tests.figures.transcripts import TRANSCRIPT

TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
BLOCKS = [(name, block) for name, text in TEXTS.items() for block in parse_blocks(text)]
REGIONS = [(name, region) for name, text in TEXTS.items() for region in parse_regions(text)]
INTEGRATIONS = "docs/integrations.md"
"""Its Python blocks start clusters; tests/integrations runs them."""
MANY_COMMANDS = ("docs/cli.md",)
"""Pages whose blocks take half a minute."""
BUNDLE = ROOT / "artifacts" / "bundle"
MEASURED = re.compile(r"\d[\d,.]*\s(?:messages/s|rows/s|ms\b|MiB\b|MB\b)|\b0\.\d{2,}\b|\d \[\d")
CONSTANTS = ("128 MiB", "64 MiB", "0.25")
"""Constants of the code that look like measured figures: bounds on pages and parts, and a PSI threshold."""


def _name(value: object) -> str:
    return f"line-{value.line}" if isinstance(value, Block) else str(value)


def _masked(text: str) -> str:
    """Replace numbers with ``#`` and collapse whitespace."""
    return re.sub(r"\s+", " ", re.sub(r"[-+]?\d[\d,.]*", "#", text)).replace("label flips", "label flip")


@pytest.mark.parametrize(("name", "block"), BLOCKS, ids=_name)
def test_code_blocks_run_or_give_reason(name: str, block: Block) -> None:
    if block.language in {CONSOLE, PYTHON}:
        assert block.not_run is None or len(block.not_run.split()) >= 3, "give the reason"
    else:
        assert block.language in {"text", "json"}
        assert block.not_run is None
        assert not block.code.startswith("$ ")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in MANY_COMMANDS else []) for name in TEXTS]
)
def test_page_code_blocks_print_documented_output(name: str, tmp_path: Path, tiny_bundle: Path) -> None:
    """Runs with the bundle of ``make train export`` if it exists, else with the tiny one."""
    trained = (BUNDLE / "manifest.json").is_file()
    text = TEXTS[name]
    if name == INTEGRATIONS:
        text = re.sub(r"```python\n.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    for block, printed in run_page(text, Scratch(tmp_path, BUNDLE if trained else tiny_bundle), trained=trained):
        if block.language != CONSOLE:
            continue
        for command, output in zip(parse_commands(block.code), printed, strict=True):
            if block.region != TRANSCRIPT:
                _assert_shown(command.shown, output)
            elif trained and command.shown:
                assert _masked(output) == _masked(command.shown), command.text


def _assert_shown(shown: str, output: str) -> None:
    """Compare with the output; a line ``...`` matches any lines."""
    place = 0
    for part in re.split(r"^\.\.\.\n", shown, flags=re.MULTILINE):
        position = output.find(part, place)
        assert position >= 0, f"not printed:\n{part}\nbut:\n{output}"
        place = position + len(part)


@pytest.mark.parametrize(("name", "region"), REGIONS)
def test_quoted_figures_match_artifact(name: str, region: str) -> None:
    if region == TRANSCRIPT:
        return
    generated = FIGURES[region].read(ROOT)
    if generated is None:
        pytest.skip(f"no {FIGURES[region].artifact} to quote")
    shown = parse_regions(TEXTS[name])[region]
    if not _is_documented_model():
        pytest.skip("the documents quote another model; another processor or precision rounds differently")
    if FIGURES[region].is_timing:
        generated, shown = _masked(generated), _masked(shown)
    assert shown == generated, "stale: run python -m tests.figures"


def _is_documented_model() -> bool:
    """Whether the artifact is the documented model, by its validation loss."""
    generated = FIGURES["training"].read(ROOT)
    quoted = next(parse_regions(text)["training"] for text in TEXTS.values() if "training" in parse_regions(text))
    losses = [re.findall(r"loss of ([\d.]+)\.", text) for text in (generated or quoted, quoted)]
    assert losses[1], "the documents quote no validation loss"
    return losses[0] == losses[1]


def test_every_figure_region_is_quoted() -> None:
    assert {region for _, region in REGIONS} == {*FIGURES, TRANSCRIPT}


@pytest.mark.parametrize("name", TEXTS)
def test_measured_figures_appear_only_in_regions(name: str) -> None:
    text = prose(TEXTS[name])
    for constant in CONSTANTS:
        text = text.replace(constant, "")
    assert MEASURED.findall(text) == []


def test_readme_has_at_most_150_lines() -> None:
    assert TEXTS["README.md"].count("\n") <= 150


def test_links_between_pages_resolve() -> None:
    links = [
        (name, target) for name, text in TEXTS.items() for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    ]
    assert len(links) >= len(TEXTS)
    assert [link for link in links if not (ROOT / link[0]).parent.joinpath(link[1]).exists()] == []


def test_readme_links_every_page() -> None:
    assert {name for name in TEXTS if name != "README.md" and f"({name})" not in TEXTS["README.md"]} == set()


def test_documented_command_options_exist() -> None:
    """Checks each ``spam-edge COMMAND`` in prose and code, with the options after it on the line."""
    named = re.findall(r"spam-edge (\w+)((?: [^`\n|>]+)?)", "\n".join(TEXTS.values()))
    commands = {command for command, _ in named} & set(main.commands)
    assert commands == set(main.commands)
    for command in sorted(commands):
        shown = CliRunner().invoke(main, [command, "--help"]).output
        options = {option for name, rest in named if name == command for option in re.findall(r"--[a-z-]+", rest)}
        assert {option for option in options if option not in shown} == set(), command


def test_documented_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^\$ |`)make ([a-z-]+)", "\n".join(TEXTS.values()), flags=re.MULTILINE))
    assert {"train", "export", "test"} <= named
    assert {target for target in named if not re.search(rf"^{target}:", makefile, flags=re.MULTILINE)} == set()


def test_readme_python_example_tells_spam_from_ham(real_bundle: Path, tmp_path: Path) -> None:
    if FIGURES["sizes"].read(ROOT) is None:
        pytest.skip("what a model of one's own data says of these messages is not known")
    code = next(block for block in parse_blocks(TEXTS["README.md"]) if block.language == PYTHON)
    assert Scratch(tmp_path, real_bundle).run(code) == ["SPAM\n['HAM', 'SPAM']\n"]
