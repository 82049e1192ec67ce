"""Log-odds of spam per word, estimated on the training messages only."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spam_edge.errors import InputError
from spam_edge.training.attacks.spans import words


@dataclass(frozen=True, slots=True)
class Keywords:
    """Log-odds of spam for messages that contain a word, with add-one smoothing.

    Attributes:
        log_odds: lower-case word -> ``log((spam messages with it + 1) / (ham messages with it + 1))``.
    """

    log_odds: Mapping[str, float]

    @classmethod
    def fit(cls, texts: Sequence[str], is_spam: Sequence[bool]) -> "Keywords":
        """Estimate the log-odds from n texts and n labels.

        Raises:
            InputError: the numbers of texts and labels differ.
        """
        if len(texts) != len(is_spam):
            raise InputError(f"{len(texts)} texts but {len(is_spam)} labels; pass one label per text")
        spam, ham = Counter[str](), Counter[str]()
        for text, label in zip(texts, is_spam, strict=True):
            (spam if label else ham).update({word.text.lower() for word in words(text)})
        return cls({word: math.log((spam[word] + 1) / (ham[word] + 1)) for word in sorted(spam.keys() | ham.keys())})

    def __call__(self, word: str) -> float:
        """Return the log-odds of a word, case-insensitively; 0 for an unknown word."""
        return self.log_odds.get(word.lower(), 0.0)
