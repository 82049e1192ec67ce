"""Message templates: the rows of ``messages.tsv``, and a message made of one of them."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spam_edge.training.messages import LABELS
from spam_edge.training.notices.values import REGIONS, SLOTS, STEADY

FILE = Path(__file__).with_name("messages.tsv")
ANYWHERE = "any"
REGISTERS = ("formal", "terse", "casual", "sloppy", "caps")
_INNERMOST = re.compile(r"\{([^{}]*)\}")
_SOMETHING = "…"


@dataclass(frozen=True, slots=True)
class Template:
    """One row of the file.

    Attributes:
        label: ``HAM`` or ``SPAM``.
        kind: what sort of message it is: ``bank``, ``parcel``, ...
        region: a country, or ``any``.
        register: one of :data:`REGISTERS`.
        pair: what a fraud and the genuine message that it imitates have in common, or empty.
        text: with slots, ``{amount}``, and alternatives, ``{Hi|Hello {name}|}``, in braces.
    """

    label: str
    kind: str
    region: str
    register: str
    pair: str
    text: str

    def __post_init__(self) -> None:
        if self.label not in LABELS:
            raise ValueError(f"label {self.label!r}: ham or spam")
        if self.region not in (*REGIONS, ANYWHERE):
            raise ValueError(f"region {self.region!r}: one of {', '.join((*REGIONS, ANYWHERE))}")
        if self.register not in REGISTERS:
            raise ValueError(f"register {self.register!r}: one of {', '.join(REGISTERS)}")
        if not re.fullmatch(r"[a-z]+(-[a-z]+)*", self.kind):
            raise ValueError(f"kind {self.kind!r}: lower-case words with hyphens")
        if re.search(r"[{}]", self._replaced(_known)):
            raise ValueError("a brace without its partner")

    def fill(self, dice: random.Random) -> str:
        """Return a message: one alternative of each choice, a value in each slot."""
        region = dice.choice(REGIONS) if self.region == ANYWHERE else self.region
        drawn: dict[str, str] = {}

        def value(content: str) -> str:
            if "|" in content:
                return dice.choice(content.split("|"))
            if content not in STEADY or content not in drawn:
                drawn[content] = SLOTS[content](dice, region)
            return drawn[content]

        return " ".join(self._replaced(value).split())

    def _replaced(self, value: Callable[[str], str]) -> str:
        text, n = self.text, 1
        while n:
            text, n = _INNERMOST.subn(lambda match: value(match[1]), text)
        return text


def _known(content: str) -> str:
    """Return what stands for a slot or a choice, so that what is around it may be a choice and no slot."""
    if "|" not in content and content not in SLOTS:
        raise ValueError(f"unknown slot {{{content}}}")
    return _SOMETHING


def load_templates(path: Path = FILE) -> list[Template]:
    """Read templates: tab-separated columns as in :class:`Template`, no header.

    Raises:
        ValueError: a row that is no template; the message names its line.
    """
    templates = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            label, *rest = line.split("\t")
            templates.append(Template(label.upper(), *rest))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path.name}:{number}: {error}") from error
    return templates
