"""Obfuscation attacks of spammers, and ham controls that a filter must not classify as spam.

    spans ─▶ keywords ─▶ attack ─▶ characters (confusables), spelling, messages, urls ─▶ suite ─▶ controls

All attacks are deterministic: the same message, row id, attack, level and target give the same text in every process.
"""

from spam_edge.training.attacks.attack import LEVELS, TARGETS, Attack
from spam_edge.training.attacks.confusables import homoglyphs
from spam_edge.training.attacks.controls import CONTROLS, Control, disguised_ham, ham_controls
from spam_edge.training.attacks.keywords import Keywords
from spam_edge.training.attacks.suite import ATTACKS, disguise

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
