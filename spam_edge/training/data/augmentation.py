"""Data augmentation: random respelling, padding and substitution of digits and domains.

Ham and spam get the same transforms with the same probabilities, so a respelling carries no label information. Some
attacks of the evaluation are excluded on purpose, so that the evaluation measures robustness to unseen attacks. The
transforms share no code with the evaluation.
"""

import random
import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_DIGITS = re.compile(r"\d{3,}")
_WORDS = re.compile(r"(\s+)")
_LEET = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7", "l": "1", "b": "8", "g": "9"}
_SOUNDS = (("ph", "f"), ("ck", "k"), ("you", "u"), ("for", "4"), ("to", "2"), ("are", "r"), ("ate", "8"), ("cl", "kl"))
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {key: row[max(0, at - 1) : at] + row[at + 1 : at + 2] for row in _ROWS for at, key in enumerate(row)}
_LONGEST_FILLER = 120
_RESERVED = re.compile(r"\b([\w-]+(?:\.[\w-]+)*?)\.example(?:\.(?:com|org|net))?\b")
_ENDINGS = ("com", "org", "net", "info", "co", "in", "me", "io", "co.uk", "xyz", "top", "live", "app", "link")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probabilities:
    """Augmentation probabilities per message, each from 0 to 1.

    Attributes:
        digits: replace the digits of numbers of three digits or more.
        respelling: respell some words: misspelling, leet, phonetic spelling, or a dropped vowel.
        share: largest share of the words to respell.
        padding: prepend or append a ham message.
        domains: remove the reserved part of example domains, so that it does not become a feature.
    """

    digits: float = 0.5
    domains: float = 0.8
    respelling: float = 0.3
    share: float = 0.4
    padding: float = 0.05


class Augmenter:
    """Augment messages deterministically: the same seed, message, index and epoch give the same text.

    Args:
        ham: messages for padding; those above 120 characters are ignored.
        probabilities: augmentation probabilities.
        seed: seed of all random draws.
    """

    def __init__(self, ham: Sequence[str], probabilities: Probabilities, *, seed: int) -> None:
        self._fillers = [text for text in ham if len(text) <= _LONGEST_FILLER]
        self._probabilities = probabilities
        self._seed = seed

    def __call__(self, text: str, *, index: int, epoch: int) -> str:
        """Return the augmented message.

        Args:
            text: the message.
            index: its index in the training split.
            epoch: the epoch, counted from 0.
        """
        rng = random.Random(f"{self._seed} {epoch} {index}")  # noqa: S311 - not for cryptography
        if rng.random() < self._probabilities.digits:
            text = _DIGITS.sub(lambda match: "".join(rng.choice(string.digits) for _ in match[0]), text)
        if ".example" in text and rng.random() < self._probabilities.domains:
            text = _RESERVED.sub(lambda host: _released(host[1], rng), text)
        if rng.random() < self._probabilities.respelling:
            text = _respell(text, rng, rng.uniform(0.1, self._probabilities.share))
        if self._fillers and rng.random() < self._probabilities.padding:
            pieces = [text, rng.choice(self._fillers)]
            rng.shuffle(pieces)
            text = " ".join(pieces)
        return text


def _released(name: str, rng: random.Random) -> str:
    """Return a domain without its reserved part, with a random top-level domain if it has none."""
    return name if "." in name.removeprefix("www.") else f"{name}.{rng.choice(_ENDINGS)}"


def _respell(text: str, rng: random.Random, share: float) -> str:
    transforms = (_misspell, _leet, _as_it_sounds, _without_vowel)
    transform = rng.choice(transforms)
    return "".join(
        transform(word, rng) if len(word) > 2 and word.isascii() and rng.random() < share else word
        for word in _WORDS.split(text)
    )


def _misspell(word: str, rng: random.Random) -> str:
    """Apply one edit after the first letter: transpose, delete, double, or replace by a neighbouring key."""
    at = rng.randrange(1, len(word))
    edits: tuple[Callable[[], str], ...] = (
        lambda: word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :] if at > 1 else word,
        lambda: word[:at] + word[at + 1 :],
        lambda: word[:at] + word[at] + word[at:],
        lambda: word[:at] + rng.choice(_NEIGHBOURS.get(word[at].lower(), word[at])) + word[at + 1 :],
    )
    return rng.choice(edits)()


def _leet(word: str, rng: random.Random) -> str:
    return "".join(
        rng.choice(_LEET[letter.lower()]) if letter.lower() in _LEET and rng.random() < 0.6 else letter
        for letter in word
    )


def _as_it_sounds(word: str, rng: random.Random) -> str:
    heard, written = rng.choice([pair for pair in _SOUNDS if pair[0] in word.lower()] or [("", "")])
    return re.sub(heard, written, word, flags=re.IGNORECASE) if heard else word


def _without_vowel(word: str, rng: random.Random) -> str:
    vowels = [at for at in range(1, len(word)) if word[at].lower() in "aeiou"]
    if not vowels:
        return word
    at = rng.choice(vowels)
    return word[:at] + word[at + 1 :]
