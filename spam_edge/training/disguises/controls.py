"""Ham that a filter must not take for spam: N1 to N6 as lists, N7 as what disguise does to ham."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from spam_edge.training.disguises.attack import RANDOM
from spam_edge.training.disguises.keywords import Keywords
from spam_edge.training.disguises.suite import disguise

_MESSAGES = Path(__file__).with_name("ham_controls.jsonl")


@dataclass(frozen=True, slots=True)
class Control:
    """One kind of harmless messages.

    Attributes:
        id: ``N1`` to ``N7``.
        title: what it is, in a few words.
        attacks: what is done to ham one has; empty where the messages are those of ``ham_controls``.
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
    """The 60 messages of each of N1 to N6, written for this purpose."""
    rows = [json.loads(line) for line in _MESSAGES.read_text(encoding="utf-8").splitlines()]
    return {name: [row["text"] for row in rows if row["control"] == name] for name in CONTROLS if name != "N7"}


def disguised_ham(
    text: str, *, level: str, row_id: str, target: str = RANDOM, keywords: Keywords | None = None
) -> dict[str, str]:
    """N7: one ham message under each of its attacks, by the id of the attack.

    Raises:
        InputError: as of :func:`disguise`.
    """
    return {
        attack: disguise(text, attack=attack, level=level, target=target, row_id=row_id, keywords=keywords)
        for attack in CONTROLS["N7"].attacks
    }
