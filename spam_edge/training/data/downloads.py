"""Downloads from the Hugging Face Hub through the client's cache, resumed after a broken connection."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from spam_edge.training.data.hub import CONFIGURATION, TOKENIZERS, WEIGHTS, hub_answers, is_damaged

if TYPE_CHECKING:
    import datasets

_BESIDE = (CONFIGURATION, "tokenizer_config.json", *TOKENIZERS, "special_tokens_map.json", "added_tokens.json")
_ATTEMPTS = 5

T = TypeVar("T")


class HubError(Exception):
    """The Hub or its cache could not provide a file or dataset; the message is the reason in one line."""


def fetch_configuration(repository: str) -> None:
    """Download the configuration of a model.

    Raises:
        HubError: the download failed.
    """
    from huggingface_hub import hf_hub_download  # noqa: PLC0415 - keeps --help fast

    _ask(partial(hf_hub_download, repository, CONFIGURATION))


def fetch_model(repository: str) -> None:
    """Download configuration, tokenizer and weights of a model.

    The weights come last: their presence marks the cached model as complete.

    Raises:
        HubError: the download failed, or the repository has no supported weights file.
    """
    from huggingface_hub import HfApi, hf_hub_download  # noqa: PLC0415 - keeps --help fast

    there = _ask(lambda: HfApi().list_repo_files(repository))
    weights = next((name for name in WEIGHTS if name in there), None)
    if weights is None:
        raise HubError(f"the repository has neither {' nor '.join(WEIGHTS)}")
    for name in _BESIDE:
        if name in there:
            _ask(partial(hf_hub_download, repository, name))
    _ask(partial(hf_hub_download, repository, weights, force_download=is_damaged(repository, weights)))


def load_dataset(repository: str, *, split: str, cached: bool) -> "datasets.Dataset":
    """Load one split of a dataset.

    Args:
        repository: name on the Hub.
        split: name of the split.
        cached: read the cache without a request to the Hub, whose retries are slow when it is down.

    Raises:
        HubError: the dataset cannot be loaded.
    """
    import datasets  # noqa: PLC0415 - seconds of import that local corpora do not need

    offline, verbosity = datasets.config.HF_HUB_OFFLINE, datasets.logging.get_verbosity()
    bars = datasets.is_progress_bar_enabled()
    try:
        datasets.config.HF_HUB_OFFLINE = offline or cached
        datasets.logging.set_verbosity_error()  # offline mode warns, but is intended here
        datasets.disable_progress_bars()  # drawn even when stderr is not a terminal
        load = partial(datasets.load_dataset, repository, split=split)
        return _ask(load, datasets.exceptions.DatasetsError)
    finally:
        datasets.config.HF_HUB_OFFLINE = offline
        datasets.logging.set_verbosity(verbosity)
        if bars:
            datasets.enable_progress_bars()


def _ask(fetch: Callable[[], T], *more: type[Exception]) -> T:
    """Call a Hub client, up to 5 times if the connection breaks within a file; the client resumes at the last byte."""
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
        hub_answers.cache_clear()  # the Hub may be down now, so the next caller probes again
        raise HubError(_reason(error)) from error


def _reason(error: BaseException) -> str:
    """Return the root cause, from the server or the operating system, in one line."""
    from requests import RequestException  # noqa: PLC0415 - keeps --help fast
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - as above

    chain: list[BaseException] = []
    while error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__ or error
    said: object = next((found for found in reversed(chain) if isinstance(found, RequestException)), chain[0])
    while isinstance(said, RequestException | HTTPError) and said.args:
        said = said.args[0]  # requests and urllib3 both wrap a connection error
    return next(iter(str(said).strip().splitlines()), type(chain[0]).__name__)
