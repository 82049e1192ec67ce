"""What more than one folder of tests needs."""

import json
import runpy
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.bundle import Bundle
from spam_edge.fused import obstacle
from spam_edge.manifest import MANIFEST_NAME
from spam_edge.operating_points import BALANCED, HIGH_RECALL, LOW_FALSE_POSITIVE
from spam_edge.verification import Golden
from tests.integrations import workers
from tests.vectors import fused_vectors

# A loaded machine is slow, not wrong.
settings.register_profile("spam-edge", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("spam-edge")

ROOT = Path(__file__).parents[1]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked ``fused`` where the operator cannot run."""
    if item.get_closest_marker("fused") and obstacle():
        pytest.skip(obstacle())


@pytest.fixture(autouse=True, scope="session")
def _interruptible() -> Iterator[None]:
    """Whatever a shell starts in the background ignores SIGINT, and so does all that it starts: also these tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module", params=["avx512", "avx2"])
def vectors(request: pytest.FixtureRequest) -> str:
    """The name of each library of the fused operator that this processor can run, in turns; see ``use_vectors``."""
    if request.param not in fused_vectors():
        pytest.skip(f"this processor does not run the library for {request.param}")
    return str(request.param)


@pytest.fixture(scope="session", params=["int8", pytest.param("fused", marks=pytest.mark.fused)])
def int8_variant(request: pytest.FixtureRequest) -> str:
    """Each variant with int8 weights that runs here."""
    return str(request.param)


@pytest.fixture(scope="session")
def default_variant() -> str:
    """What ``auto`` takes of the tiny bundle on the CPU of this machine."""
    return "int8" if obstacle() else "fused"


@pytest.fixture(scope="session")
def tiny_bundle() -> Path:
    """A real, very small bundle; see tests/data/README.md. Do not write into it."""
    return ROOT / "tests" / "data" / "tiny_bundle"


@pytest.fixture
def bundle_copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle that a test may damage."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


@pytest.fixture
def banded_bundle(bundle_copy: Path) -> Path:
    """A copy of the tiny bundle whose modes are so far apart that a third of the golden messages lies in between."""
    bundle = Bundle.find(bundle_copy)
    scores = sorted(set(SpamClassifier(bundle, RuntimeOptions(device="cpu")).score(Golden.read(bundle).texts).tolist()))
    low, middle, high = (scores[len(scores) * third // 6] for third in (2, 3, 4))
    data = bundle.manifest.to_dict()
    data["thresholds"] = {LOW_FALSE_POSITIVE: high, BALANCED: middle, HIGH_RECALL: low}
    (bundle_copy / MANIFEST_NAME).write_text(json.dumps(data), encoding="utf-8")
    return bundle_copy


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Train a very small checkpoint, of the shape of the tiny bundle where no other sizes are given."""
    pytest.importorskip("torch")
    generator = runpy.run_path(str(ROOT / "tests" / "data" / "make_tiny_bundle.py"))

    def make(**shape: int) -> Path:
        checkpoint: Path = generator["make_checkpoint"](tmp_path_factory.mktemp("tiny") / "checkpoint", **shape)
        return checkpoint

    return make


@pytest.fixture(scope="session")
def tiny_checkpoint(make_checkpoint: Callable[..., Path]) -> Path:
    """The checkpoint that the tiny bundle was made from, trained again."""
    return make_checkpoint()


@pytest.fixture(scope="session")
def real_bundle() -> Path:
    """The bundle that `make train export` built; tests that need it are skipped where there is none."""
    bundle = ROOT / "artifacts" / "bundle"
    if not (bundle / "manifest.json").is_file():
        pytest.skip("no artifacts/bundle: run `make train export` first")
    return bundle


@pytest.fixture(scope="session")
def real_checkpoint() -> Path:
    """The checkpoint that the real bundle was made from."""
    checkpoint = ROOT / "artifacts" / "checkpoint"
    if not (checkpoint / "training.json").is_file():
        pytest.skip("no artifacts/checkpoint: run `make train export` first")
    return checkpoint


@pytest.fixture(scope="session")
def load_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder where processes count, whoever starts them, told to them before anything else is started."""
    folder = tmp_path_factory.mktemp("loads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(workers.LOADS, str(folder))
        patch.setenv("PYTHONPATH", str(ROOT))
        yield folder


@pytest.fixture
def loads(load_files: Path) -> Callable[[], dict[int, int]]:
    """A function that returns how many models each process opened since this test began."""
    workers.loads(load_files)
    return lambda: workers.loads(load_files)
