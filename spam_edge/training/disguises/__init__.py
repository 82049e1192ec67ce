"""How spammers disguise a message, and the ham that must not be mistaken for it.

    spans ─▶ keywords ─▶ attack ─▶ characters (confusables), spelling, messages, urls ─▶ suite ─▶ controls

Everything is deterministic: the same message, row id, attack, level and target give the same text in every process.
"""

from spam_edge.training.disguises.attack import LEVELS, TARGETS, Attack
from spam_edge.training.disguises.confusables import homoglyphs
from spam_edge.training.disguises.controls import CONTROLS, Control, disguised_ham, ham_controls
from spam_edge.training.disguises.keywords import Keywords
from spam_edge.training.disguises.suite import ATTACKS, disguise

__all__ = [
    "ATTACKS",
    "CONTROLS",
    "LEVELS",
    "TARGETS",
    "Attack",
    "Control",
    "Keywords",
    "disguise",
    "disguised_ham",
    "ham_controls",
    "homoglyphs",
]
