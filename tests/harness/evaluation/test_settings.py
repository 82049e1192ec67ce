"""Test that an evaluation uses the settings of the shipped bundle."""

from pathlib import Path

from spam_edge.training.data.sources import PACKAGED
from spam_edge.training.model.base_model import FOLDER, BaseModel
from spam_edge.training.settings import PACKAGED_DEFAULTS, TrainingSettings
from tests.evaluation.settings import settings_that_ship

TINY_CORPUS = "0" * 64
BASE = BaseModel("base", FOLDER, "asked for")


def test_a_bundle_of_these_messages_is_judged_with_its_settings(tiny_bundle: Path) -> None:
    said: list[str] = []
    settings = settings_that_ship(BASE, tiny_bundle, TINY_CORPUS, seed=3, report=said.append)
    assert settings == TrainingSettings(max_length=32, seed=3)
    assert said == []


def test_a_bundle_of_other_messages_is_not_and_that_is_said(tiny_bundle: Path) -> None:
    said: list[str] = []
    settings = settings_that_ship(BASE, tiny_bundle, "f" * 64, seed=3, report=said.append)
    assert settings == TrainingSettings(seed=3)
    assert "other messages" in said[0]


def test_without_a_bundle_the_defaults_of_the_base_are_judged() -> None:
    base = BaseModel("base", PACKAGED, "asked for")
    assert settings_that_ship(base, None, "", seed=42, report=print) == PACKAGED_DEFAULTS
