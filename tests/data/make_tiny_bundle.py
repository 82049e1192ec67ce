"""Make the tiny checkpoint and the tiny bundle of the tests with the real exporter.

    python tests/data/make_tiny_bundle.py

The export tests start from the checkpoint; the bundle is committed.
"""

import json
import random
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import DistilBertConfig, DistilBertForSequenceClassification, DistilBertTokenizerFast

from spam_edge.text.normalization import NORMALIZER_NAME
from spam_edge.training.data.normalizer_tables import make_tables

HERE = Path(__file__).parent
BUNDLE = HERE / "tiny_bundle"
MAX_LENGTH = 32
_SHAPE = {"dim": 32, "n_layers": 3, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 64}

_SPAM = (
    "WINNER!! Call {number} to claim your {prize}",
    "Free {prize}! Txt WIN to {code} now, 150p/msg",
    "URGENT! You have won a {prize}. Call {number}",
    "Claim your {prize} today, reply YES or call {number}",
    "Get a free {prize} now! Visit http://win.example/{code}",
)
_HAM = (
    "see you at {hour} then",
    "are you coming to the {place} after work?",
    "running late, meet me at the {place} at {hour}",
    "ok, call me when you get home",
    "thanks for the lift, see you at the {place}",
    "my train is at {hour}, can you pick me up",
)


def made_up_messages(count: int, *, seed: int) -> list[tuple[str, int]]:
    """Return messages with labels (1 is SPAM), alternating."""
    rng = random.Random(seed)

    def fill(template: str) -> str:
        return template.format(
            number=f"09{rng.randrange(10**9):09}",
            code=rng.randrange(10000, 99999),
            prize=rng.choice(["prize", "voucher", "phone", "holiday", "ringtone"]),
            hour=rng.randrange(1, 12),
            place=rng.choice(["pub", "station", "office", "shop", "park"]),
        )

    return [(fill(rng.choice(_SPAM if index % 2 else _HAM)), index % 2) for index in range(count)]


def make_checkpoint(folder: Path, **shape: int) -> Path:
    """Train a tiny DistilBERT and write it in the format of a training checkpoint.

    Args:
        folder: where to write it.
        shape: overrides of the tiny bundle's sizes, by their names in ``DistilBertConfig``.
    """
    torch.manual_seed(0)
    torch.set_num_threads(1)
    messages = made_up_messages(256, seed=0)
    folder.mkdir(parents=True)
    tokenizer = _tokenizer([text for text, _ in messages], folder)
    model = _train(tokenizer, messages, _SHAPE | shape)
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    (folder / NORMALIZER_NAME).write_text(
        make_tables([text for text, _ in messages]).to_json(), encoding="utf-8", newline="\n"
    )
    (folder / "splits").mkdir(exist_ok=True)
    sizes = {}
    for split, seed, count in (("train", 0, 256), ("validation", 1, 60), ("test", 2, 80)):
        rows = made_up_messages(count, seed=seed)
        lines = (
            json.dumps({"text": text, "label": ("HAM", "SPAM")[label], "cluster": cluster})
            for cluster, (text, label) in enumerate(rows)
        )
        (folder / "splits" / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        sizes[split] = {"rows": count, "ham": count // 2, "spam": count // 2}
    record = {
        "settings": {"max_length": MAX_LENGTH, "seed": 0},
        "base_model": {"name": "tiny random DistilBERT", "source": "made up"},
        "corpus": {"name": "made-up messages", "source": "files", "fingerprint": "0" * 64},
        "splits": sizes,
    }
    (folder / "training.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return folder


def _tokenizer(texts: list[str], folder: Path) -> DistilBertTokenizerFast:
    """Make a vocabulary of the words of the texts, and of the letters of these and of the golden texts.

    The trainers of the tokenizers library break ties at random; this vocabulary is reproducible.
    """
    golden = (HERE.parents[1] / "export" / "parity" / "golden_texts.jsonl").read_text(encoding="utf-8").splitlines()
    words = _words(texts)
    letters = sorted(set("".join(words | _words([json.loads(line)["text"] for line in golden]))))
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    whole = sorted(word for word in words if len(word) > 1 and word.isalpha())
    vocabulary = [*special, *letters, *(f"##{letter}" for letter in letters), *whole]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    return DistilBertTokenizerFast(str(folder / "vocab.txt"), model_max_length=MAX_LENGTH)


def _words(texts: list[str]) -> set[str]:
    normalize, split = BertNormalizer().normalize_str, BertPreTokenizer().pre_tokenize_str
    return {word for text in texts for word, _ in split(normalize(text))}


def _train(
    tokenizer: DistilBertTokenizerFast, messages: list[tuple[str, int]], shape: dict[str, int]
) -> DistilBertForSequenceClassification:
    config = DistilBertConfig(
        vocab_size=len(tokenizer), id2label={0: "HAM", 1: "SPAM"}, label2id={"HAM": 0, "SPAM": 1},
        pad_token_id=tokenizer.pad_token_id, **shape,
    )  # fmt: skip
    model = DistilBertForSequenceClassification(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(6):
        for start in range(0, len(messages), 16):
            texts, labels = zip(*messages[start : start + 16], strict=True)
            batch = tokenizer(list(texts), truncation=True, max_length=MAX_LENGTH, padding=True, return_tensors="pt")
            loss = model(**batch, labels=torch.tensor(labels)).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return model.eval()


def main() -> None:
    sys.path.insert(0, str(HERE.parents[1]))
    from export.assembly import export_bundle

    with TemporaryDirectory() as folder:
        checkpoint = make_checkpoint(Path(folder) / "checkpoint")
        export_bundle(checkpoint, BUNDLE, name="tiny", version="1", report=lambda line: print(line, file=sys.stderr))


if __name__ == "__main__":
    main()
