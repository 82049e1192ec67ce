"""Test that labelled files are measured by their labels, and that invalid options are rejected."""

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from spam_edge.classifier import SpamClassifier
from tests.evaluation.extras import Extra, extra_figures, extra_option, mean_over_files

ROWS = {
    "notices": ["ham\tyour code is 123456", "ham\tparcel at 5 pm"],
    "spam": ["spam\tWINNER!! Call 0900123456 to claim your prize"],
    "both": ["ham\tsee you at 5 then", "spam\tWINNER!! Call 0900123456 to claim your prize"],
}


@pytest.fixture(scope="module")
def classifier(tiny_bundle: Path) -> SpamClassifier:
    return SpamClassifier.load(tiny_bundle)


def write_file(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.tsv"
    path.write_text("\n".join(ROWS[kind]) + "\n", encoding="utf-8")
    return path


def parse(*values: str) -> tuple[list[Extra], Result]:
    extras: list[Extra] = []

    @click.command
    @extra_option
    def command(extra: Sequence[Extra]) -> None:
        extras.extend(extra)

    result = CliRunner().invoke(command, [part for value in values for part in ("--extra", value)])
    return extras, result


def test_marketing_prefix_marks_extra_file_as_marketing(tmp_path: Path) -> None:
    path = write_file(tmp_path, "notices")
    extras, result = parse(f"alerts={path}", f"marketing:shop={path}")
    assert result.exit_code == 0
    assert extras == [Extra("alerts", path), Extra("shop", path, marketing=True)]


@pytest.mark.parametrize(
    ("value", "message"),
    [("alerts", "not NAME=FILE"), ("={}", "not NAME=FILE"), ("marketing:={}", "not NAME=FILE"), ("a={}.not", "exists")],
)
def test_malformed_extra_option_is_usage_error(value: str, message: str, tmp_path: Path) -> None:
    _, result = parse(value.format(write_file(tmp_path, "spam")))
    assert result.exit_code == 2
    assert message in result.stderr


def test_duplicate_extra_name_is_usage_error(tmp_path: Path) -> None:
    path = write_file(tmp_path, "spam")
    _, result = parse(f"a={path}", f"marketing:a={path}")
    assert result.exit_code == 2
    assert "used twice" in result.stderr


@pytest.mark.parametrize("kind", ROWS)
def test_file_kind_and_rates_follow_from_labels(kind: str, tmp_path: Path, classifier: SpamClassifier) -> None:
    figures = extra_figures(Extra("name", write_file(tmp_path, kind)), classifier)
    labels = [row.split("\t")[0] for row in ROWS[kind]]
    assert figures["kind"] == kind
    assert (figures["n_ham"], figures["n_spam"]) == (labels.count("ham"), labels.count("spam"))
    scores = classifier.score([row.split("\t")[1] for row in ROWS[kind]])
    for mode, threshold in classifier.manifest.thresholds.items():
        rates = figures["modes"][mode]
        for rate, label in (("false_positive_rate", "ham"), ("recall", "spam")):
            called = [score >= threshold for score, each in zip(scores, labels, strict=True) if each == label]
            assert (rates[rate] is None) == (not called)
            assert not called or rates[rate]["value"] == pytest.approx(np.mean(called))
    assert ("pr_auc" in figures) == (kind == "both")


def test_marketing_file_is_excluded_from_mean_over_notices(tmp_path: Path, classifier: SpamClassifier) -> None:
    figures = [
        extra_figures(Extra("shop", write_file(tmp_path, "notices"), marketing=True), classifier),
        extra_figures(Extra("won", write_file(tmp_path, "spam")), classifier),
    ]
    assert [each["kind"] for each in figures] == ["marketing", "spam"]
    assert mean_over_files(figures, "notices", "balanced") is None
    assert mean_over_files(figures, "spam", "balanced") == figures[1]["modes"]["balanced"]["recall"]["value"]
