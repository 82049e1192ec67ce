"""The test spam of a fold in every disguise, and ham that must stay ham, scored by ours and by the baseline."""

import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from spam_edge.classifier import SpamClassifier
from spam_edge.normalization.tables import NORMALIZER_NAME, Tables
from spam_edge.session import RuntimeOptions
from spam_edge.training.disguises import (
    ATTACKS,
    CONTROLS,
    LEVELS,
    TARGETS,
    Keywords,
    disguise,
    disguised_ham,
    ham_controls,
    homoglyphs,
)
from tests.evaluation import paraphrases
from tests.evaluation.pipeline import VARIANT
from tests.evaluation.report.document import WHOLE_MESSAGE

SEEN_IN_TRAINING = frozenset({"E6", "E12", "E14", "E15"})
"""Attacks that have something in common with what :mod:`spam_edge.training.augmentation` does."""
UNKNOWN_HOMOGLYPHS = "E1 unknown"
"""E1 with letters that were taken out of the normaliser's table for it."""

Score = Callable[[Sequence[str]], NDArray[np.floating]]


@dataclass(frozen=True, slots=True)
class Attacked:
    """One attack on the test spam of a fold.

    Attributes:
        attack: its id.
        level: how much of each message.
        target: which words.
        rows: the messages it changed, by their place among the test messages.
        ours: our scores of them, disguised.
        baseline: those of the baseline.
    """

    attack: str
    level: str
    target: str
    rows: list[int]
    ours: list[float]
    baseline: list[float]

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Target:
    """What is attacked: the test messages of a fold, one per cluster, and what an attacker knows of the others."""

    spam: dict[int, str]
    ham: dict[int, str]
    keywords: Keywords
    sentences: Sequence[str]
    fold: str

    def disguised(self, attack: str, level: str, words: str, **options: object) -> dict[int, str]:
        """Return the spam that the attack changes, disguised."""
        texts = {
            row: disguise(
                text,
                attack=attack,
                level=level,
                target=words,
                row_id=f"{self.fold}-{row}",
                keywords=self.keywords,
                ham=self.sentences,
                **options,  # type: ignore[arg-type]
            )
            for row, text in self.spam.items()
        }
        return {row: text for row, text in texts.items() if text != self.spam[row]}


def attack_all(target: Target, classifier: SpamClassifier, baseline: Score) -> list[Attacked]:
    """Return every attack at every level, on keywords and on random words."""
    kinds = [(attack, level, words) for attack in ATTACKS for level in LEVELS for words in TARGETS]
    found = [
        _attacked(kind, target.disguised(*kind), classifier.score, baseline)
        for kind in tqdm(kinds, "attacks", leave=False, disable=None)
    ]
    unknown = sorted({c for letters in homoglyphs().values() for c in letters if sha256(c.encode()).digest()[0] % 2})
    with _without(classifier, unknown) as weaker:
        for level in LEVELS:
            texts = target.disguised("E1", level, "keywords", characters=frozenset(unknown))
            found.append(_attacked((UNKNOWN_HOMOGLYPHS, level, "keywords"), texts, weaker.score, baseline))
    said = paraphrases.paraphrases()
    texts = {row: said[text] for row, text in target.spam.items() if text in said}
    found.append(_attacked((paraphrases.ATTACK, WHOLE_MESSAGE, ""), texts, classifier.score, baseline))
    return found


def controls(target: Target, classifier: SpamClassifier, baseline: Score) -> dict[str, dict[str, list[float]]]:
    """Return the scores of ham that was written to be mistaken, and of test ham in disguise."""
    texts = dict(ham_controls())
    texts["N7"] = [
        text
        for row, ham in target.ham.items()
        for text in disguised_ham(ham, level="medium", row_id=f"{target.fold}-{row}").values()
    ]
    return {
        name: {"ours": classifier.score(texts[name]).tolist(), "baseline": baseline(texts[name]).tolist()}
        for name in CONTROLS
    }


def _attacked(kind: tuple[str, str, str], texts: dict[int, str], ours: Score, baseline: Score) -> Attacked:
    if not texts:
        return Attacked(*kind, [], [], [])
    messages = list(texts.values())
    return Attacked(*kind, list(texts), ours(messages).tolist(), baseline(messages).tolist())


@contextmanager
def _without(classifier: SpamClassifier, characters: Collection[str]) -> Iterator[SpamClassifier]:
    """Open the same bundle with a normaliser that does not know some letters."""
    source = classifier.bundle.path.resolve()
    with tempfile.TemporaryDirectory(prefix="spam-edge-unknown-") as name:
        target = Path(name)
        for path in source.iterdir():
            if path.name != NORMALIZER_NAME:
                (target / path.name).symlink_to(path)
        tables = Tables.read(source / NORMALIZER_NAME)
        plain, styled, confusable = (
            {key: value for key, value in table.items() if key not in characters}
            for table in (tables.plain, tables.styled, tables.confusable)
        )
        weaker = replace(tables, plain=plain, styled=styled, confusable=confusable)
        (target / NORMALIZER_NAME).write_text(weaker.to_json(), encoding="utf-8")
        yield SpamClassifier.load(target, RuntimeOptions(device="cpu", variant=VARIANT, verify=False))
