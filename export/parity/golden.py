"""The golden set: messages written for testing, edge cases included, with token ids and logits of PyTorch.

No message comes from a corpus, so that a bundle never contains private messages.
"""

import json
from pathlib import Path

from export.reference import PyTorchReference
from spam_edge.bundle.golden import GOLDEN_NAME, Golden

_TEXTS = Path(__file__).with_name("golden_texts.jsonl")


def make_golden(reference: PyTorchReference) -> Golden:
    """Tokenise the golden texts with transformers and compute their logits with PyTorch."""
    rows = [json.loads(line) for line in _TEXTS.read_bytes().splitlines()]
    texts = [row["text"] for row in rows]
    return Golden(texts, reference.token_ids(texts), reference.logits(texts, description="golden set"))


def write_golden(golden: Golden, folder: Path) -> None:
    """Write ``golden.jsonl``, which ``spam-edge verify`` replays without torch."""
    rows = zip(golden.texts, golden.token_ids, golden.logits.tolist(), strict=True)
    with (folder / GOLDEN_NAME).open("w", encoding="utf-8") as stream:
        for text, ids, logits in rows:
            line = json.dumps({"text": text, "input_ids": ids, "logits": logits}, ensure_ascii=False)
            stream.write(line + "\n")
