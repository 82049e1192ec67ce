"""Ham controls for the false-positive rate: N1 to N6 are lists of messages, N7 is obfuscated ham."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from spam_edge.training.attacks.attack import RANDOM
from spam_edge.training.attacks.keywords import Keywords
from spam_edge.training.attacks.suite import disguise

_MESSAGES = Path(__file__).with_name("ham_controls.jsonl")


@dataclass(frozen=True, slots=True)
class Control:
    """One ham control.

    Attributes:
        id: ``N1`` to ``N7``.
        title: short name for tables.
        attacks: attacks to apply to ham; empty if the messages come from ``ham_controls``.
    """

    id: str
    title: str
    attacks: tuple[str, ...] = ()


CONTROLS: Mapping[str, Control] = {
    control.id: control
    for control in (
        Control("N1", "emoji"),
        Control("N2", "accented names"),
        Control("N3", "quotes, dashes and other typographic marks"),
        Control("N4", "Singlish"),
        Control("N5", "chat in Cyrillic, Greek, Chinese, Japanese, Korean, Arabic and Hindi"),
        Control("N6", "phone numbers, one-time passwords and prices"),
        Control("N7", "disguised ham", ("E2", "E4", "E9", "E12")),
    )
}


@cache
def ham_controls() -> Mapping[str, list[str]]:
    """Return the 60 messages of each of N1 to N6, written for this package."""
    rows = [json.loads(line) for line in _MESSAGES.read_text(encoding="utf-8").splitlines()]
    return {name: [row["text"] for row in rows if row["control"] == name] for name in CONTROLS if name != "N7"}


def disguised_ham(
    text: str, *, level: str, row_id: str, target: str = RANDOM, keywords: Keywords | None = None
) -> dict[str, str]:
    """Return N7 for one ham message: attack id -> obfuscated message.

    Raises:
        InputError: as in :func:`disguise`.
    """
    return {
        attack: disguise(text, attack=attack, level=level, target=target, row_id=row_id, keywords=keywords)
        for attack in CONTROLS["N7"].attacks
    }
