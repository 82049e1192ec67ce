"""Choose the training settings of an evaluation: those of the shipped bundle."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

from spam_edge.bundle.locate import Bundle
from spam_edge.training.data.sources import PACKAGED
from spam_edge.training.model.base_model import BaseModel
from spam_edge.training.settings import PACKAGED_DEFAULTS, TrainingSettings


def settings_that_ship(
    base: BaseModel, bundle: Path | None, fingerprint: str, *, seed: int, report: Callable[[str], None]
) -> TrainingSettings:
    """Return the bundle's training settings if it was trained on the same messages, otherwise the defaults.

    Args:
        base: model to fine-tune.
        bundle: the shipped bundle, if there is one.
        fingerprint: fingerprint of all messages, notices included.
        seed: replaces the bundle's seed.
        report: called if the bundle was trained on other messages.
    """
    settings = replace(PACKAGED_DEFAULTS if base.source == PACKAGED else TrainingSettings(), seed=seed)
    if bundle is None:
        return settings
    training = Bundle.find(bundle).manifest.provenance["training"]
    if training["corpus"]["fingerprint"] != fingerprint:
        report(
            f"{bundle} was trained on other messages: its model card cannot quote this evaluation of default settings"
        )
        return settings
    known = {field.name for field in fields(settings)} - {"seed"}
    return replace(settings, **{name: value for name, value in training["settings"].items() if name in known})
