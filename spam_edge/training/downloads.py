"""What training takes from the Hugging Face Hub, by way of its client's cache; a broken download is gone on with."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from spam_edge.training.hub import CONFIGURATION, TOKENIZERS, WEIGHTS, hub_answers, is_damaged

if TYPE_CHECKING:
    import datasets

_BESIDE = (CONFIGURATION, "tokenizer_config.json", *TOKENIZERS, "special_tokens_map.json", "added_tokens.json")
_ATTEMPTS = 5

T = TypeVar("T")


class HubError(Exception):
    """The Hub, or its cache, does not have what was asked for; the text says why in one line."""


def fetch_configuration(repository: str) -> None:
    """Fetch what says of which kind and size a model is.

    Raises:
        HubError: it cannot be had.
    """
    from huggingface_hub import hf_hub_download  # noqa: PLC0415 - keeps --help fast

    _ask(partial(hf_hub_download, repository, CONFIGURATION))


def fetch_model(repository: str) -> None:
    """Fetch configuration, tokenizer and weights of a model; the weights last, as it is they that a cache is judged by.

    Raises:
        HubError: it cannot be had.
    """
    from huggingface_hub import HfApi, hf_hub_download  # noqa: PLC0415 - keeps --help fast

    there = _ask(lambda: HfApi().list_repo_files(repository))
    weights = next((name for name in WEIGHTS if name in there), None)
    if weights is None:
        raise HubError(f"it has no {' and no '.join(WEIGHTS)}")
    for name in _BESIDE:
        if name in there:
            _ask(partial(hf_hub_download, repository, name))
    _ask(partial(hf_hub_download, repository, weights, force_download=is_damaged(repository, weights)))


def load_dataset(repository: str, *, split: str, cached: bool) -> "datasets.Dataset":
    """Load one split of a dataset.

    Args:
        repository: its name on the Hub.
        split: which one.
        cached: take it from the cache as it is; to ask the Hub for news first would cost its retries when it is down.

    Raises:
        HubError: it cannot be had.
    """
    import datasets  # noqa: PLC0415 - seconds of import that local corpora do not need

    offline, verbosity = datasets.config.HF_HUB_OFFLINE, datasets.logging.get_verbosity()
    bars = datasets.is_progress_bar_enabled()
    try:
        datasets.config.HF_HUB_OFFLINE = offline or cached
        datasets.logging.set_verbosity_error()  # that it is offline is what was asked for
        datasets.disable_progress_bars()  # they are drawn where nobody watches, too
        load = partial(datasets.load_dataset, repository, split=split)
        return _ask(load, datasets.exceptions.DatasetsError)
    finally:
        datasets.config.HF_HUB_OFFLINE = offline
        datasets.logging.set_verbosity(verbosity)
        if bars:
            datasets.enable_progress_bars()


def _ask(fetch: Callable[[], T], *more: type[Exception]) -> T:
    """Call a client, and again where its connection broke within a file: it goes on at the byte that it had come to."""
    from requests.exceptions import ChunkedEncodingError  # noqa: PLC0415 - keeps --help fast

    failures: tuple[type[Exception], ...] = (OSError, ValueError, RuntimeError, *more)
    try:
        for _ in range(_ATTEMPTS - 1):
            try:
                return fetch()
            except ChunkedEncodingError:
                continue
        return fetch()
    except failures as error:
        hub_answers.cache_clear()  # whoever asks next asks a Hub that may be gone
        raise HubError(_reason(error)) from error


def _reason(error: BaseException) -> str:
    """Return in one line what the server or the system said, not what the clients around it make of that."""
    from requests import RequestException  # noqa: PLC0415 - keeps --help fast
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - as above

    chain: list[BaseException] = []
    while error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__ or error
    said: object = next((found for found in reversed(chain) if isinstance(found, RequestException)), chain[0])
    while isinstance(said, RequestException | HTTPError) and said.args:
        said = said.args[0]  # a broken connection is wrapped twice
    return next(iter(str(said).strip().splitlines()), type(chain[0]).__name__)
