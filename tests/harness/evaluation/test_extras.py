"""Test that labelled files are classified by their labels, and that invalid options are rejected."""

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


def a_file(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.tsv"
    path.write_text("\n".join(ROWS[kind]) + "\n", encoding="utf-8")
    return path


def parse(*values: str) -> tuple[list[Extra], Result]:
    found: list[Extra] = []

    @click.command
    @extra_option
    def command(extra: Sequence[Extra]) -> None:
        found.extend(extra)

    result = CliRunner().invoke(command, [part for value in values for part in ("--extra", value)])
    return found, result


def test_a_name_may_say_that_it_is_marketing(tmp_path: Path) -> None:
    path = a_file(tmp_path, "notices")
    found, result = parse(f"alerts={path}", f"marketing:shop={path}")
    assert result.exit_code == 0
    assert found == [Extra("alerts", path), Extra("shop", path, marketing=True)]


@pytest.mark.parametrize(
    ("value", "said"),
    [("alerts", "not NAME=FILE"), ("={}", "not NAME=FILE"), ("marketing:={}", "not NAME=FILE"), ("a={}.not", "exists")],
)
def test_what_is_no_name_and_file_is_refused(value: str, said: str, tmp_path: Path) -> None:
    _, result = parse(value.format(a_file(tmp_path, "spam")))
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = a_file(tmp_path, "spam")
    _, result = parse(f"a={path}", f"marketing:a={path}")
    assert result.exit_code == 2
    assert "used twice" in result.stderr


@pytest.mark.parametrize("kind", ROWS)
def test_labels_say_what_a_file_counts_as(kind: str, tmp_path: Path, classifier: SpamClassifier) -> None:
    found = extra_figures(Extra("name", a_file(tmp_path, kind)), classifier)
    labels = [row.split("\t")[0] for row in ROWS[kind]]
    assert found["kind"] == kind
    assert (found["n_ham"], found["n_spam"]) == (labels.count("ham"), labels.count("spam"))
    scores = classifier.score([row.split("\t")[1] for row in ROWS[kind]])
    for mode, threshold in classifier.manifest.thresholds.items():
        rates = found["modes"][mode]
        for rate, label in (("false_positive_rate", "ham"), ("recall", "spam")):
            called = [score >= threshold for score, each in zip(scores, labels, strict=True) if each == label]
            assert (rates[rate] is None) == (not called)
            assert not called or rates[rate]["value"] == pytest.approx(np.mean(called))
    assert ("pr_auc" in found) == (kind == "both")


def test_marketing_is_no_notice(tmp_path: Path, classifier: SpamClassifier) -> None:
    found = [
        extra_figures(Extra("shop", a_file(tmp_path, "notices"), marketing=True), classifier),
        extra_figures(Extra("won", a_file(tmp_path, "spam")), classifier),
    ]
    assert [each["kind"] for each in found] == ["marketing", "spam"]
    assert mean_over_files(found, "notices", "balanced") is None
    assert mean_over_files(found, "spam", "balanced") == found[1]["modes"]["balanced"]["recall"]["value"]
