"""The real Hub clients against a local Hub server: downloads, interruptions, failures and offline caches."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spam_edge.runtime.custom_operator import unavailable_reason
from spam_edge.training.data.messages import LabelledMessage
from tests.hub.contents import repositories, write_corpus, write_tiny_model
from tests.hub.repository import Repository
from tests.hub.server import FakeHub, Fault, serve
from tests.support.timeouts import TIMEOUT, wait_until

pytestmark = pytest.mark.slow

PROBE = 2
"""Requests per probe, because the short name of the model redirects."""
LARGE = "GET /large/.*"
DOWNLOAD_FAILED = "the download of distilbert-base-uncased from the Hub failed"
CHUNK = 10 * 2**20
"""Write size of the client in bytes; smaller partial downloads are not resumed."""

# Resolves corpus and base model as training does, without training.
CHOOSE = """
import json, sys, time
from spam_edge.errors import InputError
from spam_edge.training.model.base_model import choose_base_model, load_model, load_tokenizer, weights_sha256
from spam_edge.training.data.readers import CorpusOptions
from spam_edge.training.data.sources import load_corpus

def corpus(name):
    resolved = load_corpus([name], CorpusOptions())
    return resolved.source, resolved.reason, len(resolved.messages)

announced = []

def base(name):
    resolved = choose_base_model(name, lambda base: announced.append(base.source))
    load_tokenizer(resolved, 64)
    return resolved.source, resolved.reason, weights_sha256(load_model(resolved, 0))

def attempt(choose, name):
    try:
        return choose(name)
    except InputError as error:
        return "error", str(error), None

chosen = {"corpus": attempt(corpus, sys.argv[1]), "base": attempt(base, sys.argv[2])}
print(json.dumps([chosen, announced]))
"""


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory, messages: list[LabelledMessage]) -> tuple[Repository, ...]:
    folder = tmp_path_factory.mktemp("contents")
    write_tiny_model(folder / "model")
    write_corpus(folder / "corpus", messages)
    return repositories(folder / "model", folder / "corpus")


@pytest.fixture
def hub(contents: tuple[Repository, ...]) -> Iterator[FakeHub]:
    with serve(*contents) as hub:
        yield hub


@pytest.fixture
def start(hub: FakeHub, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start Python with the local Hub and an initially empty cache."""
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "cache")}
    environment["HF_HUB_DISABLE_XET"] = "1"  # as the command sets it

    def start(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return start


@pytest.fixture
def choose(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., dict[str, Any]]:
    """Resolve corpus and base model in a subprocess and return source, reason and result of each.

    Checks that the announced base models equal ``announced``, by default the resolved one.
    """

    def choose(corpus: str = "auto", base: str = "auto", announced: list[str] | None = None) -> dict[str, Any]:
        process = start("-c", CHOOSE, corpus, base)
        out, err = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0, err
        assert "Traceback" not in err
        chosen, actual = json.loads(out)
        assert actual == ([chosen["base"][0]] if announced is None else announced)
        return chosen

    return choose


def wait_for_half_of_weights(hub: FakeHub, cache: Path) -> None:
    """Wait until the client has written half of the weights."""
    assert hub.stalled.wait(TIMEOUT)
    files = "models--*/blobs/*.incomplete"
    wait_until(lambda: [path.stat().st_size for path in (cache / "hub").glob(files)] == [CHUNK])


def training_arguments(output: Path) -> tuple[str, ...]:
    # Enough to learn the synthetic corpus. Untrained scores are nearly equal, and rounding would flip half of them.
    options = ("--epochs", "4", "--learning-rate", "5e-4", "--batch-size", "8", "--max-length", "32", "--no-notices")
    return ("-m", "spam_edge.training", *options, "--output", str(output))


def test_interrupted_download_resumes_and_later_runs_work_offline(
    hub: FakeHub, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Interrupt the download, train, export, and train again without a Hub, all with one cache."""
    hub.faults.append(Fault(LARGE, after=1, cut=CHUNK + 2**19, stall=True, times=1))
    process = start(*training_arguments(tmp_path / "out"))
    wait_for_half_of_weights(hub, tmp_path / "cache")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()

    hub.asked.clear()
    process = start(*training_arguments(tmp_path / "out"))
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, err
    record = json.loads((tmp_path / "out" / "training.json").read_bytes())
    assert (record["corpus"]["source"], record["corpus"]["reason"]) == ("hub", "in the local cache")
    assert (record["base_model"]["source"], record["base_model"]["reason"]) == ("hub", "the Hub answers")
    assert record["corpus"]["cleaning"]["read"] == 120
    assert "base model: distilbert-base-uncased (hub: the Hub answers)" in err.splitlines()
    assert [request.partition(" bytes=")[2] for request in hub.asked if request.startswith("GET /large/")] == [
        f"{CHUNK}-"
    ]
    assert not [request for request in hub.asked if request.endswith((".bin", ".h5", ".ot"))]

    hub.asked.clear()
    hub.faults.append(Fault(".*", cut=0, stall=True))
    process = start("-m", "export", "--checkpoint", str(tmp_path / "out"), "--output", str(tmp_path / "bundle"))
    out, err = process.communicate(timeout=2 * TIMEOUT)
    assert process.returncode == 0, err
    measured = json.loads((tmp_path / "bundle" / "parity.json").read_bytes())["measured"]
    assert {"fp32", "fp16", "int8"} | (set() if unavailable_reason() else {"fused"}) == {
        row["variant"] for row in measured
    }
    assert all(row["passed"] for row in measured)
    process = start(*training_arguments(tmp_path / "again"))
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, err
    assert hub.asked == []
    again = json.loads((tmp_path / "again" / "training.json").read_bytes())
    assert again["base_model"] == record["base_model"] | {"reason": "in the local cache"}
    assert again["corpus"] == record["corpus"]
    assert again["losses"] == record["losses"]


def test_broken_download_is_retried_and_resumed(hub: FakeHub, choose: Callable[..., dict[str, Any]]) -> None:
    hub.faults += [Fault(LARGE, cut=100, times=2), Fault(LARGE, after=1, cut=CHUNK + 2**19, times=1)]
    chosen = choose()
    assert [source for source, _, _ in chosen.values()] == ["hub", "hub"]
    ranges = [request.partition(" bytes=")[2] for request in hub.asked if request.startswith("GET /large/")]
    assert ranges == ["", "", "", "", f"{CHUNK}-"]


@pytest.mark.parametrize(
    ("fault", "reason", "base_reason", "announced"),
    [
        # A failed Hub is probed again, so the base model does not wait for retries.
        (Fault(".*", after=PROBE, status=500), "500 Server Error", "the Hub does not answer within 3 s", ["packaged"]),
        (Fault("GET .*", after=1, cut=3), "Connection broken", f"{DOWNLOAD_FAILED}: Connection broken", ["packaged"]),
        (Fault(LARGE, status=404), "404 Client Error", f"{DOWNLOAD_FAILED}: 404 Client Error", ["hub", "packaged"]),
    ],
    ids=["status", "broken", "no large files"],
)
def test_auto_falls_back_to_packaged_if_hub_download_fails(  # noqa: PLR0917
    hub: FakeHub,
    choose: Callable[..., dict[str, Any]],
    fault: Fault,
    reason: str,
    base_reason: str,
    announced: list[str],
) -> None:
    hub.faults.append(fault)
    chosen = choose(announced=announced)
    (corpus, reason_of_corpus, messages), (base, reason_of_base, _) = chosen["corpus"], chosen["base"]
    assert (corpus, base, messages) == ("packaged", "packaged", 4862)
    assert reason_of_corpus.startswith(f"ucirvine/sms_spam cannot be loaded: {reason}")
    assert reason_of_base.startswith(base_reason)
    assert "\n" not in reason_of_corpus + reason_of_base


def test_named_hub_sources_fail_with_one_line_errors(hub: FakeHub, choose: Callable[..., dict[str, Any]]) -> None:
    hub.faults.append(Fault("GET /api/datasets/.*", status=500))
    chosen = choose("hub", "no/such", announced=[])
    assert [source for source, _, _ in chosen.values()] == ["error", "error"]
    corpus, base = (error for _, error, _ in chosen.values())
    assert corpus.startswith("ucirvine/sms_spam: cannot be loaded (500 Server Error: ")
    assert corpus.endswith("; try again, or use --data packaged")
    assert base.startswith("base model no/such: no such folder, not in the local cache, and the download of no/such ")
    assert "404 Client Error" in base
    assert base.endswith("or use --base-model packaged")
    assert "\n" not in corpus + base


def test_killed_download_is_completed_by_next_run(
    hub: FakeHub,
    start: Callable[..., subprocess.Popen[str]],
    choose: Callable[..., dict[str, Any]],
    tmp_path: Path,
) -> None:
    """Truncate the weights by SIGKILL and leave the corpus as ``datasets`` does when killed during a write."""
    hub.faults.append(Fault(LARGE, after=1, cut=CHUNK + 2**19, stall=True, times=1))
    process = start("-c", CHOOSE, "auto", "auto")
    wait_for_half_of_weights(hub, tmp_path / "cache")
    process.kill()
    process.communicate()
    [prepared] = (path.parent for path in (tmp_path / "cache" / "datasets").rglob("*.arrow"))
    [arrow] = prepared.glob("*.arrow")
    arrow.write_bytes(arrow.read_bytes()[:300])
    prepared.rename(prepared.with_name(f"{prepared.name}.incomplete"))
    outage = Fault(".*", status=503)
    hub.faults.append(outage)
    fallback = choose()
    assert [(source, reason) for source, reason, _ in fallback.values()] == [
        ("packaged", "the Hub does not answer within 3 s")
    ] * 2
    hub.faults.remove(outage)
    hub.asked.clear()
    chosen = choose()
    assert [(source, reason) for source, reason, _ in chosen.values()] == [("hub", "the Hub answers")] * 2
    assert chosen["corpus"][2] == 120
    assert [request for request in hub.asked if request.endswith(f" bytes={CHUNK}-")]


def test_damaged_weights_are_downloaded_again_or_reported(
    hub: FakeHub, choose: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    undamaged = choose("packaged")
    [weights] = (tmp_path / "cache" / "hub").glob("models--*/snapshots/*/model.safetensors")
    content = weights.read_bytes()
    weights.resolve().write_bytes(content[: len(content) // 2])
    assert choose("packaged")["base"] == undamaged["base"]
    assert weights.read_bytes() == content
    folder = shutil.copytree(weights.parent, tmp_path / "folder")
    (folder / weights.name).write_bytes(content[: len(content) // 2])
    source, error, _ = choose("packaged", str(folder), announced=["folder"])["base"]
    assert source == "error"
    assert error.startswith(f"base model {folder} cannot be loaded (")
    assert "\n" not in error
