"""Read what the training room wrote: weights and tokenizer, the splits, and ``training.json``."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from export.errors import ExportError
from spam_edge.normalization import NORMALIZER_NAME
from spam_edge.training.sources import FILES
from spam_edge.training.splits import NOTICES

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
_REMEDY = "run `make train` first"


@dataclass(frozen=True, slots=True)
class Split:
    """One side of the corpus.

    Attributes:
        texts: the messages.
        is_positive: shape (messages,), 1 where the label is the positive one.
        one_per_cluster: indices of the first message of each cluster of near duplicates; of a cluster of notices, which
            unites frauds with what they imitate, the first of each label and kind.
        clusters: the number of each message's cluster.
        corpora: the names of the corpora of each message; none where the checkpoint does not say.
        kinds: what sort of message each is; empty where its corpus does not say.
    """

    texts: list[str]
    is_positive: NDArray[np.int64]
    one_per_cluster: NDArray[np.intp]
    clusters: list[int]
    corpora: list[list[str]]
    kinds: list[str]

    @property
    def is_notice(self) -> NDArray[np.bool_]:
        """Which messages are notices, shape (messages,)."""
        return np.array([NOTICES in names for names in self.corpora], dtype=np.bool_)

    def take(self, rows: NDArray[np.intp]) -> "Split":
        """Return some of the messages."""
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
        path: its folder, in Hugging Face form.
        config: its ``config.json``.
        training: its ``training.json``.
        train: the messages it was trained on, for the calibration of int8 weights.
        validation: messages for calibration, never trained on.
        test: messages for the figures in the card, never used for any choice.
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
            ExportError: a file is missing, broken, or is not about two classes.
        """
        config = _read_json(path / "config.json")
        if len(config.get("id2label", {})) != 2:
            raise ExportError(f"{path / 'config.json'}: id2label must name two classes; {_REMEDY}")
        for name in (*TOKENIZER_FILES, NORMALIZER_NAME):
            if not (path / name).is_file():
                raise ExportError(f"{path / name} does not exist; {_REMEDY}")
        positive = config["id2label"]["1"]
        splits = (_read_split(path / "splits" / f"{name}.jsonl", positive) for name in ("train", "validation", "test"))
        return cls(path, config, _read_json(path / "training.json"), *splits)

    @property
    def labels(self) -> tuple[str, str]:
        """Class names by logit index; the second is the positive one."""
        return self.config["id2label"]["0"], self.config["id2label"]["1"]

    @property
    def is_of_own_files(self) -> bool:
        """Whether the corpus is files of the user's own, and not the SMS Spam Collection."""
        return str(self.training["corpus"]["source"]) == FILES

    @property
    def knows_notices(self) -> bool:
        """Whether notices were trained on."""
        return bool(self.train.is_notice.any())

    @property
    def layers(self) -> int:
        """Number of transformer layers."""
        return int(self.config["n_layers"])

    @property
    def max_length(self) -> int:
        """Number of tokens a message was cut to in training."""
        return int(self.training["settings"]["max_length"])

    @property
    def pad_token_id(self) -> int:
        """Token id that fills shorter rows of a batch."""
        return int(self.config["pad_token_id"])


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ExportError(f"{path} does not exist; {_REMEDY}") from error
    except ValueError as error:
        raise ExportError(f"{path} is not JSON ({error}); {_REMEDY}") from error
    if not isinstance(data, dict):
        raise ExportError(f"{path} holds no JSON object; {_REMEDY}")
    return data


def _read_split(path: Path, positive: str) -> Split:
    try:
        rows = [json.loads(line) for line in path.read_bytes().splitlines()]
        texts, labels, clusters = ([row[key] for row in rows] for key in ("text", "label", "cluster"))
        corpora = [row.get("corpus", []) for row in rows]
        kinds = [row.get("kind", "") for row in rows]
    except FileNotFoundError as error:
        raise ExportError(f"{path} does not exist; {_REMEDY}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(f"{path} cannot be read ({error}); {_REMEDY}") from error
    is_positive = np.array([label == positive for label in labels], dtype=np.int64)
    return Split(texts, is_positive, _votes(clusters, is_positive, kinds), clusters, corpora, kinds)


def _votes(clusters: Sequence[int], is_positive: NDArray[np.int64], kinds: Sequence[str]) -> NDArray[np.intp]:
    first: dict[tuple[int, int, str], int] = {}
    for row, vote in enumerate(zip(clusters, is_positive.tolist(), kinds, strict=True)):
        first.setdefault(vote, row)
    return np.array(sorted(first.values()), dtype=np.intp)
