"""E16: spam said in other words, from ``paraphrases.jsonl``: 200 templates, written by a language model.

A language model also read each again beside its original; no person did. One may be better or worse spam than that.
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
