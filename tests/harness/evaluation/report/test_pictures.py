"""Test that pictures and formatted values show the given figures."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.training.attacks.controls import CONTROLS
from tests.evaluation.report.bars import Bar, draw_bars
from tests.evaluation.report.disguises import disguises, goal_of, main_disguises
from tests.evaluation.report.drawing import export
from tests.evaluation.report.kinds import draw_kinds, rows_of_kinds
from tests.evaluation.report.made_up import ATTACKS, made_up_evaluation, rate
from tests.evaluation.report.made_up_today import counted
from tests.evaluation.report.panels import draw_curves, draw_reliability
from tests.evaluation.report.pictures import draw_pictures
from tests.evaluation.report.wording import difference, shown, visible


def test_curves_are_drawn_without_modes_or_baseline() -> None:
    evaluation = made_up_evaluation()
    kept = {"schema_version", "corpus", "systems", "curve", "histogram"}
    assert set(draw_pictures({key: evaluation[key] for key in kept})) == {"systems", "curve", "histogram"}


def test_bar_lengths_and_marks_match_rates() -> None:
    rows = [Bar("E1", rate(0.9), rate(0.5), clean=0.95, goal=0.92), Bar("E2", rate(0.8))]
    axes = draw_bars(rows, ("ours", "baseline"), label="recall", digits=1, whole=True).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.9, 0.8, 0.5]  # type: ignore[attr-defined]
    marks = {line.get_label(): np.asarray(line.get_xdata()).tolist() for line in axes.lines}
    assert marks["undisguised"] == [0.95]
    assert marks["goal"] == [0.92]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["E1", "E2"]


def test_long_bar_labels_fit_without_overlap() -> None:
    rows = [Bar(f"{control.id} {control.title}", rate(0.01)) for control in CONTROLS.values()]
    figure = draw_bars(rows, ("ours", "baseline"), label="false positives", digits=2, whole=False)
    # matplotlib warns if the layout does not fit, and warnings are errors
    export("controls", "False positives", figure)
    axes = figure.axes[0]
    assert axes.get_position().width > 0.4
    width = figure.bbox.width
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(0 <= box.x0 < box.x1 <= width for box in boxes)
    assert all(above.y0 >= below.y1 - 1 for above, below in pairwise(boxes))


def make_kind(kind: str, hits: int, n: int, label: str = "HAM") -> dict[str, Any]:
    return {"kind": kind, "label": label, "modes": {"balanced": counted(hits, n)}, "baseline": counted(n // 2, n)}


def test_kinds_are_sorted_worst_first_and_small_kinds_pooled() -> None:
    kinds = [make_kind("bank", 1, 100), make_kind("road", 1, 8), make_kind("code", 4, 100), make_kind("tech", 1, 2)]
    kinds.append(make_kind("toll", 30, 40, "SPAM"))
    rows = rows_of_kinds(kinds, "HAM")
    assert [row.label for row in rows] == ["code, 100", "bank, 100", "other kinds, 10"]
    assert rows[-1].ours == counted(2, 10)
    assert rows[-1].baseline == counted(5, 10)
    more = [make_kind("prize", 39, 40, "SPAM"), *kinds]
    assert [row.label for row in rows_of_kinds(more, "SPAM")] == ["toll, 40", "prize, 40"]


def test_kind_points_are_drawn_at_their_rates() -> None:
    rows = rows_of_kinds([make_kind("bank", 1, 100), make_kind("code", 4, 100)], "HAM")
    axes = draw_kinds(rows, ("ours", "baseline"), label="false positives").axes[0]
    drawn = {line.get_label(): np.asarray(line.get_xdata()).tolist() for line in axes.lines}
    assert drawn["baseline"] == [0.5, 0.5]
    assert np.asarray(axes.containers[0].lines[0].get_xdata()).tolist() == [0.04, 0.01]  # type: ignore[attr-defined]


def test_modes_are_plotted_at_their_recall_and_precision() -> None:
    evaluation = made_up_evaluation()
    axes = draw_curves(evaluation["curve"], evaluation["baseline_curve"], evaluation["modes"], ("a", "b")).axes[0]
    points = {
        container.get_label(): (container.lines[0].get_xdata()[0], container.lines[0].get_ydata()[0])  # type: ignore[attr-defined]
        for container in axes.containers
    }
    assert points == {
        f"mode {name}": (mode["recall"]["value"], mode["precision"]["value"])
        for name, mode in evaluation["modes"].items()
    }


def test_empty_calibration_bins_are_not_drawn() -> None:
    bins = [{"score": 0.1, "spam": 0.0, "n": 50}, {"score": 0.4, "spam": 0.0, "n": 0}]
    axes = draw_reliability(bins).axes[0]
    assert len(axes.containers[0].lines[0].get_xdata()) == 1  # type: ignore[attr-defined]


def test_disguises_are_grouped_by_level_and_target() -> None:
    evaluation = made_up_evaluation()
    groups = disguises(evaluation)
    assert [group.title for group in main_disguises(groups)] == ["medium on keywords", "medium on random words"]
    assert [len(group.entries) for group in groups] == [len(ATTACKS)] * 4
    assert main_disguises(groups[2:]) == [groups[2]]  # without a medium level, the first group
    assert len({group.name for group in groups}) == 4


@pytest.mark.parametrize(
    ("goal", "name", "expected"),
    [
        (">= 0.9", "E1 homoglyphs, recall", 0.9),
        (">= 90 %", "recall under E1", 0.9),
        (">= 0.9", "E14 padding", None),
        ("<= 0.1", "E1 loss", None),
        (">= 0.95 of clean", "E1 recall", None),
    ],
)
def test_attack_goal_requires_absolute_recall_minimum_naming_attack(
    goal: str, name: str, expected: float | None
) -> None:
    evaluation = {"goals": [{"goal": goal, "name": name}]}
    assert goal_of({"attack": "E1"}, evaluation) == expected
    assert goal_of({"attack": "E1", "goal": 0.7}, evaluation) == 0.7


def test_figures_are_formatted_by_metric() -> None:
    assert str(shown(rate(0.0009, 4384), "false_positive_rate")).startswith("0.09 % [-2.91, 2.09], n = 4,384")
    assert str(shown(rate(0.948, 422), "mcc")) == "0.948 [0.918, 0.968], n = 422"
    less = {"value": -0.02, "low": -0.03, "high": 0.0, "n": 9}
    assert str(difference(less, "pr_auc")) == "-0.020 [-0.030, 0.000], n = 9"
    assert str(difference(less, "recall")) == "-2.0 points [-3.0, 0.0], n = 9"
    assert str(shown(0.00004, "mean_abs_dp")) == "0.00004"
    assert str(shown([0, 1, 2])) == "0, 1, 2"


@given(st.text(st.characters()))
def test_visible_text_is_printable_and_keeps_printable_input(text: str) -> None:
    assert visible(text).isprintable()
    assert text != "".join(filter(str.isprintable, text)) or visible(text) == text
