"""Test that quoted tables agree with the evaluation."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.evaluation.report import quote
from tests.evaluation.report.made_up import made_up_evaluation, rate
from tests.evaluation.report.quote import markdown

KEYS = {
    "Headline metrics": ("systems",),
    "Messages of today": ("today",),
    "Disguises": ("evasion",),
    "Harmless controls": ("today", "controls"),
    "Other files": ("today", "files"),
}
"""Heading -> path of its figures in the evaluation."""


def headings(evaluation: dict[str, Any]) -> list[str]:
    return [line.removeprefix("### ") for line in markdown(evaluation).splitlines() if line.startswith("### ")]


def test_tables_show_rates_with_interval_and_sample_size() -> None:
    lines = markdown(made_up_evaluation()).splitlines()
    assert "| metric | spam-edge, int8 as shipped | char SVM |" in lines
    assert "| recall at 0.1 % FPR | 91.0 % [88.0, 93.0], n = 422 | 88.0 % [85.0, 90.0], n = 422 |" in lines
    assert "| E6 leet * | 80.0 % [77.0, 82.0], n = 410 | 57.0 % [54.0, 59.0], n = 410 | 94.4 % |" in lines
    assert "| spam alone | spam | 0 | 1,000 | — | 95.0 % [93.5, 96.3], n = 1,000 |" in lines
    assert any(line.startswith(r"| another \| file | both | 900 | 300 | 1.22 % [") for line in lines)


def test_both_tracks_are_quoted_first() -> None:
    lines = markdown(made_up_evaluation()).splitlines()
    assert [line for line in lines if line.startswith("### ")][:2] == ["### Headline metrics", "### Messages of today"]
    notices = "| notices: false-positive rate | 1.00 % [0.59, 1.58], n = 1,800 | 3.50 % [2.70, 4.46], n = 1,800 |"
    assert notices in lines
    assert "| files of spam: recall | 94.9 % mean of 1 | — |" in lines
    assert any(line.startswith("| marketing called spam (in no other figure) | 60.00 % [") for line in lines)


def test_seed_variance_is_quoted_only_if_measured() -> None:
    evaluation = made_up_evaluation()
    assert "Mean over 3 seeds, in PyTorch: recall at 0.1 % FPR 0.909 (s.d. 0.011)." in markdown(evaluation)
    del evaluation["seeds"]
    assert "seeds" not in markdown(evaluation)


def test_limits_section_states_measured_weaknesses() -> None:
    limits = markdown(made_up_evaluation()).split("### Limits")[1]
    assert "4 of 4,384 ham" in limits
    assert "E14 good-word padding, E6 leet *." in limits
    assert "E1 homoglyphs" not in limits
    assert "Lowest recall on another file: 71.0 % [65.5, 76.1], n = 300, on another | file." in limits
    assert "Goal not met: recall at 0.1 % false positives >= 0.94; measured 0.910 [0.88, 0.93]." in limits
    assert "quick" not in limits
    assert "quick run" in markdown(made_up_evaluation() | {"quick": True})


@pytest.mark.parametrize(("heading", "key_path"), KEYS.items())
def test_unmeasured_section_is_not_quoted(heading: str, key_path: tuple[str, ...]) -> None:
    evaluation = made_up_evaluation()
    assert headings(evaluation) == [*KEYS, "Limits"]
    holder = evaluation
    for key in key_path[:-1]:
        holder = holder[key]
    holder[key_path[-1]] = {} if key_path[-1] in ("systems", "today") else []
    omitted = {each for each, other in KEYS.items() if other[: len(key_path)] == key_path}
    assert headings(evaluation) == [each for each in (*KEYS, "Limits") if each not in omitted]


def test_empty_evaluation_yields_empty_quote() -> None:
    assert markdown({"schema_version": 2, "corpus": {}, "systems": {}}).strip() == ""


def test_attacks_without_changed_messages_are_not_limits() -> None:
    evaluation = made_up_evaluation()
    for each in evaluation["evasion"]:
        each["recall"] = rate(0, 0) | {"value": None, "low": None, "high": None}
    assert "Disguises that cost" not in markdown(evaluation)


def test_command_prints_quote_and_rejects_invalid_file(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps(made_up_evaluation()), encoding="utf-8")
    assert CliRunner().invoke(quote.main, [str(path)]).stdout == markdown(made_up_evaluation())
    path.write_text("{", encoding="utf-8")
    refused = CliRunner().invoke(quote.main, [str(path)])
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "run `make evaluate` again" in refused.stderr
