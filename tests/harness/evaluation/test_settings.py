"""Test that an evaluation uses the settings of the shipped bundle."""

from pathlib import Path

from spam_edge.training.data.sources import PACKAGED
from spam_edge.training.model.base_model import FOLDER, BaseModel
from spam_edge.training.settings import PACKAGED_DEFAULTS, TrainingSettings
from tests.evaluation.settings import settings_that_ship

TINY_CORPUS = "0" * 64
BASE = BaseModel("base", FOLDER, "asked for")


def test_bundle_of_same_corpus_supplies_training_settings(tiny_bundle: Path) -> None:
    reported: list[str] = []
    settings = settings_that_ship(BASE, tiny_bundle, TINY_CORPUS, seed=3, report=reported.append)
    assert settings == TrainingSettings(max_length=32, seed=3)
    assert reported == []


def test_bundle_of_different_corpus_is_ignored_with_message(tiny_bundle: Path) -> None:
    reported: list[str] = []
    settings = settings_that_ship(BASE, tiny_bundle, "f" * 64, seed=3, report=reported.append)
    assert settings == TrainingSettings(seed=3)
    assert "other messages" in reported[0]


def test_packaged_defaults_are_used_without_bundle() -> None:
    base = BaseModel("base", PACKAGED, "asked for")
    assert settings_that_ship(base, None, "", seed=42, report=print) == PACKAGED_DEFAULTS
