"""Registry of the attacks, and the function that applies one."""

from collections.abc import Collection, Mapping, Sequence

from spam_edge.errors import InputError
from spam_edge.training.attacks.attack import KEYWORDS, LEVELS, TARGETS, Attack, Draw, on_words, seeded
from spam_edge.training.attacks.characters import (
    combining,
    compatibility,
    control,
    homoglyph,
    invisible,
    random_case,
)
from spam_edge.training.attacks.keywords import Keywords
from spam_edge.training.attacks.messages import emoji, padding
from spam_edge.training.attacks.spelling import homophone, leet, misspelt, repeated, spaced, split
from spam_edge.training.attacks.urls import disguise_urls

ATTACKS: Mapping[str, Attack] = {
    attack.id: attack
    for attack in (
        Attack("E1", "homoglyphs", on_words(homoglyph)),
        Attack("E2", "invisible characters", on_words(invisible)),
        Attack("E3", "compatibility forms", on_words(compatibility)),
        Attack("E4", "combining marks", on_words(combining)),
        Attack("E5", "bidi and control characters", on_words(control)),
        Attack("E6", "leet", on_words(leet)),
        Attack("E7", "spaced letters", on_words(spaced)),
        Attack("E8", "punctuation inside words", on_words(split)),
        Attack("E9", "random case", on_words(random_case)),
        Attack("E10", "disguised URLs", disguise_urls),
        Attack("E11", "emoji and symbols", on_words(emoji)),
        Attack("E12", "misspellings", on_words(misspelt)),
        Attack("E13", "repeated letters", on_words(repeated)),
        Attack("E14", "good-word padding", padding),
        Attack("E15", "homophones and SMS-speak", on_words(homophone)),
    )
}


def disguise(
    text: str,
    *,
    attack: str,
    level: str,
    target: str,
    row_id: str,
    keywords: Keywords | None = None,
    ham: Sequence[str] = (),
    characters: Collection[str] | None = None,
) -> str:
    """Apply one attack to a message. A message that the attack cannot change is returned unchanged.

    Args:
        text: the message.
        attack: a key of ``ATTACKS``.
        level: a key of ``LEVELS``: 10 %, 30 % or 60 to 100 % of the words.
        target: one of ``TARGETS``, the order in which words are selected.
        row_id: identifier of the message. It seeds the random numbers together with attack, level and target.
        keywords: log-odds of the training words; required by the target ``keywords``.
        ham: training ham sentences for E14; without any, E14 uses fillers only.
        characters: allowed homoglyphs of E1, such as those unknown to a normaliser; None allows all.

    Raises:
        InputError: unknown attack, level or target, or missing keywords.
    """
    for kind, name, known in (("attack", attack, ATTACKS), ("level", level, LEVELS), ("target", target, TARGETS)):
        if name not in known:
            raise InputError(f"unknown {kind} {name!r}; choose one of {', '.join(known)}")
    if target == KEYWORDS and keywords is None:
        raise InputError(
            "the target 'keywords' requires keywords; pass Keywords.fit(texts, is_spam) of the training set"
        )
    rng = seeded(row_id, attack, level, target)
    return ATTACKS[attack].transform(text, Draw(rng, LEVELS[level], target, keywords or Keywords({}), ham, characters))
