"""Does the Hugging Face Hub answer? Found out in 3 seconds, not in the 50 its client spends on retries."""

import logging
import os
import threading
import urllib.error
import urllib.request
from functools import cache

PROBE_SECONDS = 3.0
DISTILBERT = "distilbert-base-uncased"
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
    """Whether configuration, weights and tokenizer of a Hub model lie in the local cache."""
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - keeps --help fast

    def cached(*names: str) -> bool:
        return any(isinstance(try_to_load_from_cache(repository, name), str) for name in names)

    return (
        cached("config.json")
        and cached("model.safetensors", "pytorch_model.bin")
        and cached("tokenizer.json", "vocab.txt")
    )


def dataset_is_cached(repository: str) -> bool:
    """Whether ``datasets`` has prepared a Hub dataset on this machine before."""
    from datasets import config  # noqa: PLC0415 - keeps --help fast

    folder = config.HF_DATASETS_CACHE / repository.replace("/", "___")
    return any(folder.rglob("*.arrow"))
