"""Fixtures shared by the test packages."""

import json
import runpy
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.locate import Bundle
from spam_edge.bundle.manifest import MANIFEST_NAME
from spam_edge.decision.operating_points import BALANCED, HIGH_RECALL, LOW_FALSE_POSITIVE
from spam_edge.extras import disable_telemetry
from spam_edge.resources import available_memory, available_threads
from spam_edge.runtime.custom_operator import unavailable_reason
from tests.support import loads as load_counts
from tests.support.parallel import IS_ONE_OF_SEVERAL, MakeOnce, once_in
from tests.support.vectors import fused_vectors, vectors_of_this_architecture

disable_telemetry()  # in the tests that import onnxruntime themselves, too

# No deadline: slow machines must not fail tests.
settings.register_profile("spam-edge", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("spam-edge")

ROOT = Path(__file__).parents[1]
_MEMORY_OF_A_WORKER = 2 * 2**30
"""Memory in bytes that a process of the tests may need: it imports torch and trains, or starts a cluster."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return the number of processes of ``-n auto``, as many as cores and memory allow; 0 is this process alone."""
    count = int(min(available_threads(), available_memory() / _MEMORY_OF_A_WORKER))
    return count if count > 1 else 0


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked ``fused`` if the operator cannot run."""
    if item.get_closest_marker("fused") and unavailable_reason():
        pytest.skip(unavailable_reason())


@pytest.fixture(autouse=True, scope="session")
def _interruptible() -> Iterator[None]:
    """Restore the SIGINT handler: a background job of a shell ignores SIGINT, and its children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module", params=vectors_of_this_architecture())
def vectors(request: pytest.FixtureRequest) -> str:
    """Name of each library of the fused operator that this processor can run; see ``use_vectors``."""
    if request.param not in fused_vectors():
        pytest.skip(f"this processor cannot run the library for {request.param}")
    return str(request.param)


@pytest.fixture(scope="session", params=["int8", pytest.param("fused", marks=pytest.mark.fused)])
def int8_variant(request: pytest.FixtureRequest) -> str:
    """Each variant with int8 weights that this machine can run."""
    return str(request.param)


@pytest.fixture(scope="session")
def default_variant() -> str:
    """The variant that ``auto`` selects from the tiny bundle on this machine's CPU."""
    return "int8" if unavailable_reason() else "fused"


@pytest.fixture(scope="session")
def tiny_bundle() -> Path:
    """A very small real bundle, read-only; see tests/data/README.md."""
    return ROOT / "tests" / "data" / "tiny_bundle"


@pytest.fixture
def bundle_copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A writable copy of the tiny bundle."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


@pytest.fixture
def banded_bundle(bundle_copy: Path) -> Path:
    """A copy of the tiny bundle with a third of the golden messages between the outer thresholds."""
    bundle = Bundle.find(bundle_copy)
    scores = sorted(set(SpamClassifier(bundle, RuntimeOptions(device="cpu")).score(Golden.read(bundle).texts).tolist()))
    low, middle, high = (scores[len(scores) * third // 6] for third in (2, 3, 4))
    data = bundle.manifest.to_dict()
    data["thresholds"] = {LOW_FALSE_POSITIVE: high, BALANCED: middle, HIGH_RECALL: low}
    (bundle_copy / MANIFEST_NAME).write_text(json.dumps(data), encoding="utf-8")
    return bundle_copy


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> MakeOnce:
    """Return a function that makes a folder once, also where several processes share the tests."""
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if IS_ONE_OF_SEVERAL else own) / "shared"
    shared.mkdir(exist_ok=True)
    return once_in(shared)


@pytest.fixture(scope="session")
def make_checkpoint(make_once: MakeOnce) -> Callable[..., Path]:
    """Return a function that trains a very small checkpoint, by default with the sizes of the tiny bundle."""
    pytest.importorskip("torch")
    generator = runpy.run_path(str(ROOT / "tests" / "data" / "make_tiny_bundle.py"))

    def make(**shape: int) -> Path:
        name = ", ".join(["checkpoint", *(f"{size} {value}" for size, value in sorted(shape.items()))])
        folder = make_once(name, lambda empty: generator["make_checkpoint"](empty / "checkpoint", **shape))
        return folder / "checkpoint"

    return make


@pytest.fixture(scope="session")
def tiny_checkpoint(make_checkpoint: Callable[..., Path]) -> Path:
    """The checkpoint of the tiny bundle, trained again."""
    return make_checkpoint()


@pytest.fixture(scope="session")
def real_bundle() -> Path:
    """The bundle built by `make train export`; skips the test if it does not exist."""
    bundle = ROOT / "artifacts" / "bundle"
    if not (bundle / "manifest.json").is_file():
        pytest.skip("no artifacts/bundle: run `make train export` first")
    return bundle


@pytest.fixture(scope="session")
def real_checkpoint() -> Path:
    """The checkpoint of the real bundle; skips the test if it does not exist."""
    checkpoint = ROOT / "artifacts" / "checkpoint"
    if not (checkpoint / "training.json").is_file():
        pytest.skip("no artifacts/checkpoint: run `make train export` first")
    return checkpoint


@pytest.fixture(scope="session")
def load_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Directory of the model-load counters, exported to all child processes before any is started."""
    folder = tmp_path_factory.mktemp("loads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(load_counts.LOADS, str(folder))
        patch.setenv("PYTHONPATH", str(ROOT))
        yield folder


@pytest.fixture
def loads(load_files: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[int, int]]:
    """Return a function that maps process id to the number of models opened since the last call."""
    load_counts.loads(load_files)
    load_counts.count(monkeypatch)
    return lambda: load_counts.loads(load_files)
