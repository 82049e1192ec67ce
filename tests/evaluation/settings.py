"""The settings that are judged: those of the bundle that ships."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

from spam_edge.bundle import Bundle
from spam_edge.training.base_model import BaseModel
from spam_edge.training.settings import PACKAGED_DEFAULTS, TrainingSettings
from spam_edge.training.sources import PACKAGED


def settings_that_ship(
    base: BaseModel, bundle: Path | None, fingerprint: str, *, seed: int, report: Callable[[str], None]
) -> TrainingSettings:
    """Return what the bundle was trained with, if it was on the messages of this fingerprint; else the defaults.

    Args:
        base: model that is fine-tuned.
        bundle: what ships, if there is one.
        fingerprint: of all messages, notices included.
        seed: of every fold, whatever the bundle's was.
        report: called where the bundle is of other messages.
    """
    settings = replace(PACKAGED_DEFAULTS if base.source == PACKAGED else TrainingSettings(), seed=seed)
    if bundle is None:
        return settings
    training = Bundle.find(bundle).manifest.provenance["training"]
    if training["corpus"]["fingerprint"] != fingerprint:
        report(f"{bundle} was trained on other messages: the default settings are judged, and its card cannot quote it")
        return settings
    known = {field.name for field in fields(settings)} - {"seed"}
    return replace(settings, **{name: value for name, value in training["settings"].items() if name in known})
