"""E16: spam in other words, from ``paraphrases.jsonl``: 200 templates, paraphrased by a language model.

A language model also compared each paraphrase with its original. No person reviewed them, so some may be more or less
spam-like than the originals.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("paraphrases.jsonl")
ATTACK = "E16"
TITLE = "paraphrases"


@cache
def paraphrases() -> Mapping[str, str]:
    """Return spam of the packaged corpus -> its paraphrase, which keeps names, numbers and addresses."""
    rows = [json.loads(line) for line in _FILE.read_text(encoding="utf-8").splitlines()]
    return {row["text"]: row["paraphrase"] for row in rows}
