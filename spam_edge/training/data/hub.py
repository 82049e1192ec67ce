"""Availability of the Hugging Face Hub and contents of its local cache.

The probe takes at most 3 seconds; the client's retries take 50.
"""

import logging
import os
import threading
import urllib.error
import urllib.request
from functools import cache

PROBE_SECONDS = 3.0
SILENT = f"the Hub does not answer within {PROBE_SECONDS:.0f} s"
DISTILBERT = "distilbert-base-uncased"
CONFIGURATION = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
TOKENIZERS = ("tokenizer.json", "vocab.txt")
_TRUE = {"1", "ON", "YES", "TRUE"}

logger = logging.getLogger(__name__)


@cache
def hub_answers() -> bool:
    """Probe the Hub once per process, for at most 3 seconds, with a file that training would download.

    With ``HF_HUB_OFFLINE`` set it returns False without a request. ``HF_ENDPOINT`` names a mirror.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in _TRUE:
        return False
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    answers: list[bool] = []
    # A thread, because a socket timeout does not cover DNS resolution; a daemon, because a hanging lookup must not
    # block process exit.
    probe = threading.Thread(
        target=lambda: answers.append(_answers(f"{endpoint}/{DISTILBERT}/resolve/main/config.json")), daemon=True
    )
    probe.start()
    probe.join(PROBE_SECONDS)
    return bool(answers and answers[0])


def _answers(url: str) -> bool:
    if not url.startswith(("https://", "http://")):
        return False
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - the scheme is checked above
    try:
        with urllib.request.urlopen(request, timeout=PROBE_SECONDS) as response:  # noqa: S310
            return bool(response.status < 400)
    except (OSError, ValueError) as error:
        logger.debug("the Hub does not answer: %s", error)
        return False


def model_is_cached(repository: str) -> bool:
    """Return whether the local cache has configuration, tokenizer and undamaged weights of a Hub model."""
    there = {name for name in (CONFIGURATION, *WEIGHTS, *TOKENIZERS) if _cached(repository, name)}
    weights = next((name for name in WEIGHTS if name in there), None)
    if weights is None or CONFIGURATION not in there or there.isdisjoint(TOKENIZERS):
        return False
    return not is_damaged(repository, weights)


def is_damaged(repository: str, weights: str) -> bool:
    """Return whether the cached safetensors file is truncated or malformed; False if it is not cached."""
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - keeps --help fast

    path = _cached(repository, weights)
    if path is None or not path.endswith(".safetensors"):
        return False
    try:
        with safe_open(path, "numpy"):
            return False
    except SafetensorError:
        return True


def _cached(repository: str, name: str) -> str | None:
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - keeps --help fast

    path = try_to_load_from_cache(repository, name)
    return path if isinstance(path, str) else None


def dataset_is_cached(repository: str) -> bool:
    """Return whether the local cache has a complete copy of a Hub dataset."""
    from datasets import config  # noqa: PLC0415 - keeps --help fast

    folder = config.HF_DATASETS_CACHE / repository.replace("/", "___")
    # A killed process leaves a partial dataset in a folder with this suffix.
    return any(path.parent.suffix != ".incomplete" for path in folder.rglob("dataset_info.json"))
