"""Message templates: reading ``messages.tsv`` and generating messages."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spam_edge.training.data.messages import LABELS
from spam_edge.training.data.notices.values import REGIONS, SLOTS, STEADY

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
        kind: category of the message: ``bank``, ``parcel``, ...
        region: a country code, or ``any``.
        register: one of :data:`REGISTERS`.
        pair: identifier shared by a fraud and the genuine message it imitates, or empty.
        text: text with slots such as ``{amount}`` and choices such as ``{Hi|Hello {name}|}``.
    """

    label: str
    kind: str
    region: str
    register: str
    pair: str
    text: str

    def __post_init__(self) -> None:
        if self.label not in LABELS:
            raise ValueError(f"label {self.label!r}: must be ham or spam")
        if self.region not in (*REGIONS, ANYWHERE):
            raise ValueError(f"region {self.region!r}: must be one of {', '.join((*REGIONS, ANYWHERE))}")
        if self.register not in REGISTERS:
            raise ValueError(f"register {self.register!r}: must be one of {', '.join(REGISTERS)}")
        if not re.fullmatch(r"[a-z]+(-[a-z]+)*", self.kind):
            raise ValueError(f"kind {self.kind!r}: must be lower-case words joined by hyphens")
        if re.search(r"[{}]", self._replaced(_known)):
            raise ValueError("unbalanced brace")

    def fill(self, rng: random.Random) -> str:
        """Generate a message with a random alternative for each choice and a random value for each slot."""
        region = rng.choice(REGIONS) if self.region == ANYWHERE else self.region
        drawn: dict[str, str] = {}

        def value(content: str) -> str:
            if "|" in content:
                return rng.choice(content.split("|"))
            if content not in STEADY or content not in drawn:
                drawn[content] = SLOTS[content](rng, region)
            return drawn[content]

        return " ".join(self._replaced(value).split())

    def _replaced(self, value: Callable[[str], str]) -> str:
        text, n = self.text, 1
        while n:
            text, n = _INNERMOST.subn(lambda match: value(match[1]), text)
        return text


def _known(content: str) -> str:
    """Validate one slot or choice and return a placeholder without braces, for the choice around it.

    Raises:
        ValueError: the slot is unknown.
    """
    if "|" not in content and content not in SLOTS:
        raise ValueError(f"unknown slot {{{content}}}")
    return _SOMETHING


def load_templates(path: Path = FILE) -> list[Template]:
    """Read templates: tab-separated columns as in :class:`Template`, no header.

    Raises:
        ValueError: a row is not a valid template; the message names file and line.
    """
    templates = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            label, *rest = line.split("\t")
            templates.append(Template(label.upper(), *rest))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path.name}:{number}: {error}") from error
    return templates
