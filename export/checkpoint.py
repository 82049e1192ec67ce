"""Read a training checkpoint: tokenizer, splits and ``training.json``."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from export.errors import ExportError
from spam_edge.bundle.checks import (
    Check,
    InvalidValueError,
    check_json,
    each,
    each_value,
    entries,
    integer,
    load_json,
    shown,
    text,
)
from spam_edge.bundle.hashes import sha256_of
from spam_edge.bundle.locate import Bundle
from spam_edge.text.normalization import NORMALIZER_NAME
from spam_edge.training.data.sources import FILES
from spam_edge.training.data.splits import NOTICES

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
WEIGHTS = "model.safetensors"
_REMEDY = "run `make train` first"
_TYPE = "distilbert"
_INTERNAL = "_attn_implementation_internal"
"""Field from which transformers 4.57 takes code (CVE-2026-4372)."""
_LONGEST = 2**16
_CONFIG: Mapping[str, Check[Any]] = {
    "id2label": entries,
    "n_layers": lambda value, name: integer(value, name, low=1),
    "pad_token_id": integer,
    "vocab_size": lambda value, name: integer(value, name, low=1),
    "max_position_embeddings": lambda value, name: integer(value, name, low=1),
}
_TRAINING: Mapping[str, Mapping[str, Check[Any]]] = {
    "corpus": {"source": text, "name": text, "fingerprint": text},
    "base_model": {"source": text, "name": text},
    "settings": {"max_length": lambda value, name: integer(value, name, low=3, high=_LONGEST)},
}
_ROW: Mapping[str, Check[Any]] = {"text": text, "label": text, "cluster": integer}


@dataclass(frozen=True, slots=True)
class Split:
    """One split of the corpus.

    Attributes:
        texts: the messages.
        is_positive: shape (messages,), 1 for the positive class.
        one_per_cluster: indices of the first message of each near-duplicate cluster. Clusters of notices unite frauds
            with the messages they imitate; they have one index per label and kind.
        clusters: cluster number of each message.
        corpora: corpus names of each message; empty if the checkpoint does not record them.
        kinds: kind of each message; empty if its corpus does not record one.
    """

    texts: list[str]
    is_positive: NDArray[np.int64]
    one_per_cluster: NDArray[np.intp]
    clusters: list[int]
    corpora: list[list[str]]
    kinds: list[str]

    @property
    def is_notice(self) -> NDArray[np.bool_]:
        """Mask of the notices, shape (messages,)."""
        return np.array([NOTICES in names for names in self.corpora], dtype=np.bool_)

    def take(self, rows: NDArray[np.intp]) -> "Split":
        """Return the split with these rows only."""
        clusters, kinds = [self.clusters[row] for row in rows], [self.kinds[row] for row in rows]
        is_positive = self.is_positive[rows]
        return Split(
            [self.texts[row] for row in rows],
            is_positive,
            _votes(clusters, is_positive, kinds),
            clusters,
            [self.corpora[row] for row in rows],
            kinds,
        )


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A trained model on disk.

    Attributes:
        path: checkpoint folder in the Hugging Face layout.
        config: content of ``config.json``.
        training: content of ``training.json``.
        train: training messages, used to calibrate int8 weights.
        validation: held-out messages for temperature and thresholds.
        test: held-out messages for the figures in the card, never used for a choice.
    """

    path: Path
    config: dict[str, Any]
    training: dict[str, Any]
    train: Split
    validation: Split
    test: Split

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a checkpoint without its weights.

        Raises:
            ExportError: a file is missing or malformed, or the model does not have two classes.
        """
        config = _read_config(path / "config.json")
        for name in (*TOKENIZER_FILES, NORMALIZER_NAME):
            if not (path / name).is_file():
                raise ExportError(f"{path / name} does not exist; {_REMEDY}")
        _check_weights(path / WEIGHTS)
        labels = config["id2label"]["0"], config["id2label"]["1"]
        splits = (_read_split(path / "splits" / f"{name}.jsonl", labels) for name in ("train", "validation", "test"))
        return cls(path, config, _read_training(path / "training.json"), *splits)

    def require_bundle(self, bundle: Bundle) -> None:
        """Check that a bundle was made from this checkpoint.

        Raises:
            ExportError: it was made from other weights.
        """
        if sha256_of(self.path / WEIGHTS) != bundle.manifest.provenance["export"]["weights_sha256"]:
            raise ExportError(f"{bundle.path} was not made from {self.path}; pass its --checkpoint, or export again")

    @property
    def labels(self) -> tuple[str, str]:
        """Class names by logit index; the second is the positive one."""
        return self.config["id2label"]["0"], self.config["id2label"]["1"]

    @property
    def is_of_own_files(self) -> bool:
        """Whether the model was trained on the user's own files instead of the SMS Spam Collection."""
        return str(self.training["corpus"]["source"]) == FILES

    @property
    def knows_notices(self) -> bool:
        """Whether the training split contains notices."""
        return bool(self.train.is_notice.any())

    @property
    def layers(self) -> int:
        """Number of transformer layers."""
        return int(self.config["n_layers"])

    @property
    def max_length(self) -> int:
        """Token limit that messages were truncated to in training."""
        return int(self.training["settings"]["max_length"])

    @property
    def pad_token_id(self) -> int:
        """Token id of the padding."""
        return int(self.config["pad_token_id"])


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a file of the checkpoint into an error that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise ExportError(f"{path} does not exist; {_REMEDY}") from error
    except (OSError, SafetensorError) as error:
        raise ExportError(f"{path} cannot be read ({error}); {_REMEDY}") from error
    except ValueError as error:
        raise ExportError(f"{path} is malformed ({error}); {_REMEDY}") from error


def _read_config(path: Path) -> dict[str, Any]:
    with _reading(path):
        config = entries(load_json(path.read_bytes()), "it")
        if config.get("model_type") != _TYPE:
            raise InvalidValueError(f"model_type must be {_TYPE}, not {shown(config.get('model_type'))}")
        if _INTERNAL in config:
            raise InvalidValueError(f"{_INTERNAL} is not allowed")
        _check(config, _CONFIG)
        names = config["id2label"]
        if set(names) != {"0", "1"} or text(names["0"], "id2label") == text(names["1"], "id2label"):
            raise InvalidValueError("id2label must name two classes")
        return config


def _read_training(path: Path) -> dict[str, Any]:
    with _reading(path):
        training = entries(load_json(path.read_bytes()), "it")
        check_json(training)
        _check(training, dict.fromkeys(_TRAINING, entries) | {"splits": each_value(_split_sizes)})
        for name, checks in _TRAINING.items():
            _check(training[name], checks, f"{name}.")
        if not training["splits"]:
            raise InvalidValueError("splits is empty")
        return training


def _split_sizes(value: object, name: str) -> dict[str, Any]:
    sizes = entries(value, name)
    _check(sizes, dict.fromkeys(("rows", "ham", "spam"), integer), f"{name}.")
    return sizes


def _check_weights(path: Path) -> None:
    """Check the header of the weights, which says how long the file must be."""
    with _reading(path), safe_open(path, "numpy"):
        pass


def _read_split(path: Path, labels: tuple[str, str]) -> Split:
    with _reading(path):
        rows = [_row(line, f"line {place}") for place, line in enumerate(path.read_bytes().splitlines(), start=1)]
        texts, names, clusters = ([row[key] for row in rows] for key in ("text", "label", "cluster"))
        if unknown := set(names) - set(labels):
            raise InvalidValueError(f"the label {shown(min(unknown))} is not one of {', '.join(labels)}")
        if missing := [label for label in labels if label not in names]:
            raise InvalidValueError(f"it has no message with the label {missing[0]}")
    is_positive = np.array([label == labels[1] for label in names], dtype=np.int64)
    corpora, kinds = ([row[key] for row in rows] for key in ("corpus", "kind"))
    return Split(texts, is_positive, _votes(clusters, is_positive, kinds), clusters, corpora, kinds)


def _row(line: bytes, place: str) -> dict[str, Any]:
    row = entries(load_json(line), place)
    _check(row, _ROW, f"{place}: ")
    check_json(row["text"])  # a lone surrogate is no text
    corpora = each(text)(row.get("corpus", []), f"{place}: corpus")
    return row | {"corpus": list(corpora), "kind": text(row.get("kind", ""), f"{place}: kind")}


def _check(values: Mapping[str, Any], checks: Mapping[str, Check[Any]], inside: str = "") -> None:
    """Check the fields that the export needs; others may stand beside them."""
    for name, check in checks.items():
        if name not in values:
            raise InvalidValueError(f"the field {inside}{name} is missing")
        check(values[name], f"{inside}{name}")


def _votes(clusters: Sequence[int], is_positive: NDArray[np.int64], kinds: Sequence[str]) -> NDArray[np.intp]:
    first: dict[tuple[int, int, str], int] = {}
    for row, vote in enumerate(zip(clusters, is_positive.tolist(), kinds, strict=True)):
        first.setdefault(vote, row)
    return np.array(sorted(first.values()), dtype=np.intp)
