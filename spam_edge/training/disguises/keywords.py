"""Which words speak for spam, learnt from the training messages alone."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spam_edge.errors import InputError
from spam_edge.training.disguises.spans import words


@dataclass(frozen=True, slots=True)
class Keywords:
    """Log-odds of spam of the messages that hold a word, add-one smoothed.

    Attributes:
        log_odds: word in lower case -> ``log((spam messages with it + 1) / (ham messages with it + 1))``.
    """

    log_odds: Mapping[str, float]

    @classmethod
    def fit(cls, texts: Sequence[str], is_spam: Sequence[bool]) -> "Keywords":
        """Count the messages of n texts that each word stands in, by label.

        Raises:
            InputError: there are more texts than labels, or fewer.
        """
        if len(texts) != len(is_spam):
            raise InputError(f"{len(texts)} texts came with {len(is_spam)} labels; give one label for each text")
        spam, ham = Counter[str](), Counter[str]()
        for text, label in zip(texts, is_spam, strict=True):
            (spam if label else ham).update({word.text.lower() for word in words(text)})
        return cls({word: math.log((spam[word] + 1) / (ham[word] + 1)) for word in sorted(spam.keys() | ham.keys())})

    def __call__(self, word: str) -> float:
        """Log-odds of one word in any case; 0 for a word that was never seen."""
        return self.log_odds.get(word.lower(), 0.0)
