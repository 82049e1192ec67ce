"""Classify messages and save their logits. It runs in the emulator, and there knows only the runtime.

    python -m tests.arm64.inside BUNDLE MESSAGES LOGITS

MESSAGES is a JSON list of texts. LOGITS, an .npz file, gets ``together``, the logits of all messages in batches, and
``alone``, those of each message by itself. What ``auto`` chose is printed as JSON.
"""

import json
import sys
from pathlib import Path

import numpy as np

from spam_edge import RuntimeOptions, SpamClassifier


def main(bundle: str, messages: str, logits: str) -> None:
    """Classify with the options of a user, except that CUDA is not asked for."""
    texts = json.loads(Path(messages).read_text(encoding="utf-8"))
    classifier = SpamClassifier.load(bundle, RuntimeOptions(device="cpu"))
    alone = np.concatenate([classifier.logits([text]) for text in texts])
    np.savez(logits, together=classifier.logits(texts), alone=alone)
    print(json.dumps({name: classifier.describe()[name] for name in ("processor", "variant", "instructions")}))


if __name__ == "__main__":
    main(*sys.argv[1:])
