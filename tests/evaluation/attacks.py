"""Disguise the test spam of a fold with every attack, and score it and the harmless controls."""

import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from spam_edge.classifier import SpamClassifier
from spam_edge.options import RuntimeOptions
from spam_edge.text.normalization.tables import NORMALIZER_NAME, Tables
from spam_edge.training.attacks import (
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
from tests.evaluation.evasion import LEVEL, TARGET, UNKNOWN_HOMOGLYPHS, Attacked
from tests.evaluation.pipeline import VARIANT
from tests.evaluation.report.document import WHOLE_MESSAGE

SAMPLE = 40
"""Largest number of spam messages per fold that :func:`attack_sample` disguises."""

Score = Callable[[Sequence[str]], NDArray[np.floating]]


@dataclass(frozen=True, slots=True)
class Target:
    """The attacked test messages of a fold, one per cluster, and the attacker's knowledge of the other messages."""

    spam: dict[int, str]
    ham: dict[int, str]
    keywords: Keywords
    sentences: Sequence[str]
    fold: str

    def disguised(self, attack: str, level: str, words: str, **options: object) -> dict[int, str]:
        """Return the disguised spam, without messages that the attack leaves unchanged."""
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
    """Run every attack at every level, on keywords and on random words."""
    kinds = [(attack, level, words) for attack in ATTACKS for level in LEVELS for words in TARGETS]
    found = _attacked_with(kinds, target, classifier, baseline)
    unknown = sorted({c for letters in homoglyphs().values() for c in letters if sha256(c.encode()).digest()[0] % 2})
    with _without(classifier, unknown) as weaker:
        for level in LEVELS:
            texts = target.disguised("E1", level, "keywords", characters=frozenset(unknown))
            found.append(_attacked((UNKNOWN_HOMOGLYPHS, level, "keywords"), texts, weaker.score, baseline))
    said = paraphrases.paraphrases()
    texts = {row: said[text] for row, text in target.spam.items() if text in said}
    found.append(_attacked((paraphrases.ATTACK, WHOLE_MESSAGE, ""), texts, classifier.score, baseline))
    return found


def attack_sample(target: Target, classifier: SpamClassifier, baseline: Score) -> list[Attacked]:
    """Run every attack at medium level on keywords, on at most :data:`SAMPLE` messages, chosen by hash."""
    rows = sorted(target.spam, key=lambda row: sha256(target.spam[row].encode()).digest())[:SAMPLE]
    some = replace(target, spam={row: target.spam[row] for row in rows})
    return _attacked_with([(attack, LEVEL, TARGET) for attack in ATTACKS], some, classifier, baseline)


def controls(target: Target, classifier: SpamClassifier, baseline: Score) -> dict[str, dict[str, list[float]]]:
    """Return the scores of the harmless controls and of disguised test ham."""
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


def _attacked_with(
    kinds: Sequence[tuple[str, str, str]], target: Target, classifier: SpamClassifier, baseline: Score
) -> list[Attacked]:
    return [
        _attacked(kind, target.disguised(*kind), classifier.score, baseline)
        for kind in tqdm(kinds, "attacks", leave=False, disable=None)
    ]


def _attacked(kind: tuple[str, str, str], texts: dict[int, str], ours: Score, baseline: Score) -> Attacked:
    if not texts:
        return Attacked(*kind, [], [], [])
    messages = list(texts.values())
    return Attacked(*kind, list(texts), ours(messages).tolist(), baseline(messages).tolist())


@contextmanager
def _without(classifier: SpamClassifier, characters: Collection[str]) -> Iterator[SpamClassifier]:
    """Open the bundle with a normaliser that lacks these characters."""
    source = classifier.bundle.path.resolve()
    with tempfile.TemporaryDirectory(prefix="spam-edge-unknown-") as name:
        target = Path(name)
        for path in source.iterdir():
            if path.name != NORMALIZER_NAME:
                (target / path.name).symlink_to(path)
        tables = Tables.read(source / NORMALIZER_NAME)
        plain, styled, confusable, shapes = (
            {key: value for key, value in table.items() if key not in characters}
            for table in (tables.plain, tables.styled, tables.confusable, tables.shapes)
        )
        weaker = replace(tables, plain=plain, styled=styled, confusable=confusable, shapes=shapes)
        (target / NORMALIZER_NAME).write_text(weaker.to_json(), encoding="utf-8")
        yield SpamClassifier.load(target, RuntimeOptions(device="cpu", variant=VARIANT, verify=False))
