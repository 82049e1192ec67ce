"""Does the Hugging Face Hub answer, and what lies in its local cache?

Found out in 3 seconds, not in the 50 that its client spends on retries.
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
    """Ask the Hub once per process for a file that training would download, for at most 3 seconds.

    ``HF_HUB_OFFLINE`` answers no without asking; ``HF_ENDPOINT`` names a mirror.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in _TRUE:
        return False
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    answers: list[bool] = []
    # A thread, because a time-out of the socket does not cover the look-up of the name; a daemon, so that a
    # look-up that hangs cannot hold up the end of the process.
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
    """Whether configuration, weights and tokenizer of a Hub model lie in the local cache, the weights undamaged."""
    there = {name for name in (CONFIGURATION, *WEIGHTS, *TOKENIZERS) if _cached(repository, name)}
    weights = next((name for name in WEIGHTS if name in there), None)
    if weights is None or CONFIGURATION not in there or there.isdisjoint(TOKENIZERS):
        return False
    return not is_damaged(repository, weights)


def is_damaged(repository: str, weights: str) -> bool:
    """Whether weights lie in the local cache, but not with the size that they say they have."""
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
    """Whether ``datasets`` has prepared a Hub dataset on this machine before, and to the end."""
    from datasets import config  # noqa: PLC0415 - keeps --help fast

    folder = config.HF_DATASETS_CACHE / repository.replace("/", "___")
    # A process that was killed leaves what it had under this name, which no reader looks into.
    return any(path.parent.suffix != ".incomplete" for path in folder.rglob("dataset_info.json"))
