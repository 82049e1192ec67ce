"""Test that the page shows every measured figure, escapes messages, and is self-contained."""

import copy
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evaluation.report import page
from tests.evaluation.report.made_up import HOSTILE, MODES, made_up_evaluation
from tests.evaluation.report.pictures import draw_pictures
from tests.evaluation.report.wording import NONE, is_rate, shown, visible

REQUIRED = {"schema_version", "corpus", "systems"}
OPTIONAL = sorted(set(made_up_evaluation()) - REQUIRED)
SECTIONS = {
    "goals": "Goals",
    "curve": "Precision and recall",
    "histogram": "Scores",
    "calibration": "Calibration",
    "modes": "Modes",
    "evasion": "Disguised spam",
    "seeds": "Variance between seeds",
    "quantisation": "Quantisation",
    "size_and_speed": "Size and speed",
    "errors": "Worst errors",
    "leaky": "Leaky random split",
}
"""Evaluation key -> title of its section."""
TODAY_SECTIONS = ("Messages of today", "Harmless controls", "Other files")


class Page(HTMLParser):
    """A parsed page: elements with attributes, text, and section titles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.pieces: list[str] = []
        self.titles: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)
        if self.open[-1:] == ["h2"] and data.strip():
            self.titles.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.pieces).split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def written(folder: Path) -> list[Path]:
    return page.write_report(made_up_evaluation(), folder)


@pytest.fixture(scope="module")
def html(written: list[Path]) -> str:
    return written[0].read_text(encoding="utf-8")


def rates_of(value: Any, key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if is_rate(value):
        yield key, value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from rates_of(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from rates_of(each, key)


def test_first_screen_shows_both_tracks_with_baseline(html: str) -> None:
    first = html[: html.index("<nav")]
    text = Page(first).text
    assert first.count('class="track"') == 2
    assert "SMS Spam Collection recall at 0.1 % FPR 91.0 % [88.0, 93.0], n = 422" in text
    assert "baseline 88.0 % [85.0, 90.0], n = 422" in text
    assert "spam F1 0.952" in text
    assert "Messages of today notices: false-positive rate 1.00 % [0.59, 1.58], n = 1,800 baseline 3.50 %" in text
    assert "notices: recall 98.0 %" in text
    assert "worst control, N3 chat in other scripts: false-positive rate 0.60 %" in text
    assert "files of notices: false-positive rate 1.09 % mean of 1" in text
    assert "files of spam: recall 94.9 % mean of 1" in text


@pytest.mark.parametrize("missing", ["notices", "controls", "files", "marketing", "means"])
def test_missing_part_of_today_removes_only_its_section(missing: str) -> None:
    evaluation = made_up_evaluation()
    all_titles = Page(page.render(evaluation, {})).titles
    del evaluation["today"][missing]
    title = {"notices": "Messages of today", "controls": "Harmless controls", "files": "Other files"}.get(missing)
    assert Page(page.render(evaluation, {})).titles == [each for each in all_titles if each != title]


def test_marketing_rate_is_shown_separately(html: str) -> None:
    text = Page(html).text
    assert "marketing called spam" in text
    assert "60.00 % [50.66, 68.83], n = 120" in text


def test_every_section_is_present_with_reading_hint(html: str) -> None:
    others = {"Comparison with baselines", "Reproduce", *TODAY_SECTIONS}
    assert set(Page(html).titles) == {*SECTIONS.values(), *others}
    assert html.count('<p class="reading">') == html.count("<h2>")


def test_every_rate_is_shown_with_interval_and_sample_size(html: str) -> None:
    text = Page(html).text
    rates = list(rates_of({name: each for name, each in made_up_evaluation().items() if name != "paired"}))
    assert len(rates) > 100
    forms = [{str(shown(each, key)), str(shown(each, "false_positive_rate"))} for key, each in rates]
    assert [form for form in forms if not any(each in text for each in form)] == []


@pytest.mark.parametrize("missing", OPTIONAL)
def test_missing_key_removes_only_its_section(missing: str) -> None:
    evaluation = made_up_evaluation()
    all_titles = Page(page.render(evaluation, {})).titles
    del evaluation[missing]
    removed = TODAY_SECTIONS if missing == "today" else (SECTIONS.get(missing),)
    assert Page(page.render(evaluation, {})).titles == [each for each in all_titles if each not in removed]


def test_page_renders_from_required_keys_alone(tmp_path: Path) -> None:
    evaluation = {"schema_version": 2, "corpus": {"name": "some corpus"}, "systems": {}}
    assert page.write_report(evaluation, tmp_path) == [tmp_path / "index.html"]
    assert "some corpus" in Page((tmp_path / "index.html").read_text(encoding="utf-8")).text


@pytest.mark.parametrize("undefined", [None, float("nan")])
def test_rates_without_messages_are_shown_as_dashes(undefined: float | None, tmp_path: Path) -> None:
    evaluation = made_up_evaluation()
    for _, each in list(rates_of(evaluation)):
        each |= {"value": undefined, "low": undefined, "high": undefined, "n": 0}
    for each in (*evaluation["evasion"], *evaluation["today"]["notices"]["evasion"]):
        each["clean_recall"] = each["clean_low"] = undefined
    files = page.write_report(evaluation, tmp_path)
    assert not [path for path in files if path.name.startswith(("evasion", "controls", "systems", "kinds"))]
    assert f"recall at 0.1 % FPR {NONE} [{NONE}, {NONE}], n = 0" in Page(files[0].read_text(encoding="utf-8")).text


def test_goal_badges_show_met_missed_and_unmeasured(html: str) -> None:
    assert "1 of 3 are met" in html
    assert re.findall(r'class="badge (\w+)">([^<]+)<', html) == [
        ("missed", "not met"),
        ("met", "met"),
        ("open", "not measured"),
    ]


def test_leaky_split_is_labelled_and_kept_out_of_headline(html: str) -> None:
    text = Page(html).text
    assert "For comparison with papers only" in text
    assert text.index("Leaky random split") < text.index("91.7 % [")


def test_quick_run_is_marked_not_for_quoting() -> None:
    assert "not for quoting" not in page.render(made_up_evaluation(), {})
    assert "not for quoting" in page.render(made_up_evaluation() | {"quick": True}, {})


def test_hostile_messages_are_escaped_as_text(html: str) -> None:
    assert "<script" not in html
    assert "<b>advertisement" not in html
    text = Page(html).text
    assert "<script>alert('free')</script> & ⟨U+202E⟩zzz⟨U+200B⟩ call ↵ 0900" in text
    assert not set(HOSTILE) & {"\u202e", "\u200b"} & set(html)


def with_message(text: str) -> Page:
    """Render a page from the required keys and one error with the message as text and note."""
    evaluation = {name: each for name, each in made_up_evaluation().items() if name in REQUIRED}
    worst = {"text": text, "label": "HAM", "score": 0.9, "threshold": 0.5, "verdict": "wrong", "note": text}
    return Page(page.render(evaluation | {"errors": {"worst": [worst]}}, {}))


@pytest.fixture(scope="module")
def plain_elements() -> list[str]:
    """The elements of a page with a plain message."""
    return [tag for tag, _ in with_message("plain").elements]


@settings(max_examples=20)
@given(message=st.text(st.characters(), min_size=1))
def test_arbitrary_message_is_shown_without_adding_elements(plain_elements: list[str], message: str) -> None:
    shown_page = with_message(message)
    assert [tag for tag, _ in shown_page.elements] == plain_elements
    assert " ".join(visible(message).split()) in shown_page.text
    "".join(shown_page.pieces).encode()  # fails on a lone surrogate


def test_markup_in_picture_labels_is_escaped() -> None:
    evaluation = {key: each for key, each in made_up_evaluation().items() if key in REQUIRED}
    evaluation["systems"]["char_svm"]["title"] = title = "<i>$E=m^2$</i> & so on"
    drawn = Page(draw_pictures(evaluation)["systems"].svg)
    assert "i" not in {tag for tag, _ in drawn.elements}
    assert title in drawn.pieces


def test_page_loads_no_scripts_or_external_resources(html: str) -> None:
    for tag, attributes in Page(html).elements:
        assert tag not in {"script", "link", "iframe", "object", "img"}
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            assert attributes.get(name, "#").startswith("#"), (tag, attributes)  # type: ignore[union-attr]
    assert not re.findall(r"url\((?!#)|@import", html)
    assert "default-src 'none'" in html


def test_element_ids_are_unique_and_references_resolve(html: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    referenced = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', html))
    assert {one or other for one, other in referenced} <= set(ids)


def test_pictures_use_colour_variables_defined_in_both_themes(html: str) -> None:
    drawn = "".join(re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL))
    assert "var(--ours)" in drawn
    assert not re.findall(r"(?:fill|stroke): ?#(?!f{6})\w{6}", drawn)
    used = set(re.findall(r"var\(--(\w+)\)", html))
    for theme in re.findall(r":root \{(.*?)\}", html, flags=re.DOTALL):  # light and dark
        assert used <= set(re.findall(r"--(\w+):", theme))


def test_every_picture_is_also_written_as_png(html: str, written: list[Path], folder: Path) -> None:
    names = {path.stem for path in written[1:]}
    assert {"systems", "curve", "histogram", "reliability", "controls", "kinds-ham", "kinds-spam"} < names
    assert {f"confusion-{mode}" for mode in MODES} < names
    assert len([name for name in names if name.startswith("evasion-")]) == 5
    assert len(names) == html.count("<figure")
    assert {path.stem for path in (folder / "pictures").iterdir()} == names
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written[1:])


def test_rewritten_report_is_byte_identical_without_stale_pictures(tmp_path: Path) -> None:
    kept = {*REQUIRED, "curve", "histogram"}
    evaluation = {key: each for key, each in made_up_evaluation().items() if key in kept}
    first = page.write_report(evaluation, tmp_path)[0].read_bytes()
    assert page.write_report(evaluation, tmp_path)[0].read_bytes() == first
    del evaluation["curve"]
    page.write_report(evaluation, tmp_path)
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {"systems.png", "histogram.png"}


def test_command_writes_page_from_evaluation_file(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    evaluation = {key: each for key, each in made_up_evaluation().items() if key in REQUIRED}
    path.write_text(json.dumps(evaluation), encoding="utf-8")
    result = CliRunner().invoke(page.main, [str(path)], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "1 pictures" in result.stderr
    assert (tmp_path / "index.html").is_file()


def test_rendering_does_not_modify_evaluation() -> None:
    evaluation = made_up_evaluation()
    before = copy.deepcopy(evaluation)
    page.render(evaluation, draw_pictures({key: evaluation[key] for key in REQUIRED}))
    assert evaluation == before
