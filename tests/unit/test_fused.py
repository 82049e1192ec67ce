"""The fused variant in the runtime: where it is taken, what is said where it cannot be, and what it makes of bad input.

Processors without AVX2 are faked by the text of /proc/cpuinfo: one machine has one processor.
"""

import platform
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from spam_edge import BundleIntegrityError, ProviderUnavailableError, RuntimeOptions, SpamClassifier, fused, processor
from spam_edge.batching import Batch, pad_rows
from spam_edge.bundle import Bundle
from spam_edge.fused import library, obstacle
from spam_edge.processor import this_processor
from spam_edge.session import Session, open_session
from tests.benchmarks.fresh import in_fresh_process
from tests.memory import MIB, growth
from tests.vectors import use_vectors

TINY = Path(__file__).parents[1] / "data" / "tiny_bundle"
POSITIONS = 64  # rows of the tiny model's table of positions, and so the longest message that it can take
FUSED = RuntimeOptions(device="cpu", variant="fused", threads=1)
WEIGHTS = "onnx/model_quantized.onnx"
MISSING = "this installation has no fused operator: it is built for Linux on x86-64"
UNFIT = "the fused operator needs a processor with AVX2 and FMA"


@pytest.fixture
def _look_again() -> Iterator[None]:
    this_processor.cache_clear()
    yield
    this_processor.cache_clear()


def _without_library(monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    monkeypatch.setattr(fused, "FOLDER", folder)
    return MISSING


def _without_avx2(monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    """Make believe that this is a processor of before 2013."""
    (folder / "cpuinfo").write_text("flags\t\t: fpu sse4_2 avx\n", encoding="utf-8")
    (folder / "libspam_encoder_avx2.so").touch()
    monkeypatch.setattr(processor, "_CPUINFO", folder / "cpuinfo")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(fused, "FOLDER", folder)
    return UNFIT


@pytest.mark.usefixtures("_look_again")
@pytest.mark.parametrize("hinder", [_without_library, _without_avx2])
@pytest.mark.parametrize("exact", [False, True])
def test_where_it_cannot_run_auto_takes_int8_and_asking_for_it_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hinder: Callable[[pytest.MonkeyPatch, Path], str], exact: bool
) -> None:
    reason = hinder(monkeypatch, tmp_path)
    assert obstacle() == reason
    with pytest.raises(ProviderUnavailableError, match=f"^{reason}; leave the variant at auto$"):
        SpamClassifier.load(TINY, RuntimeOptions(device="cpu", variant="fused", exact=exact))
    classifier = SpamClassifier.load(TINY, RuntimeOptions(device="cpu", exact=exact))
    assert classifier.variant == "int8"
    assert classifier.classify("WINNER!! Call 09061701461 to claim your prize").label == "SPAM"


@pytest.mark.fused
def test_a_library_that_does_not_load_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / library().name).write_bytes(b"for another system")
    monkeypatch.setattr(fused, "FOLDER", tmp_path)
    assert SpamClassifier.load(TINY, RuntimeOptions(device="cpu")).variant == "int8"
    with pytest.raises(
        ProviderUnavailableError, match=r"operator does not load \(.*\); install spam-edge again; leave"
    ):
        SpamClassifier.load(TINY, FUSED)


def test_this_machine() -> None:
    """Read from what the machine says of itself, without our own reading of it."""
    cpuinfo = Path("/proc/cpuinfo")
    flags = set(cpuinfo.read_text(encoding="utf-8").split()) if cpuinfo.is_file() else set()
    fits = sys.platform == "linux" and platform.machine() == "x86_64" and {"avx2", "fma"} <= flags
    assert (obstacle() == "") == (fits and library().is_file())


@pytest.mark.fused
def test_it_is_what_auto_takes_and_it_says_so() -> None:
    description = SpamClassifier.load(TINY, RuntimeOptions(device="cpu")).describe()
    assert (description["variant"], description["file"]) == ("fused", "onnx/model_fused.onnx")
    assert description["processor"] == this_processor().description


@pytest.mark.fused
def test_weights_that_are_not_those_of_the_export_are_refused(bundle_copy: Path) -> None:
    weights = bundle_copy / WEIGHTS
    content = weights.read_bytes()
    for damaged, words in (
        (content[:-1] + bytes([content[-1] ^ 1]), "was changed after the export"),
        (content + b"\0", "bytes where"),
    ):
        weights.write_bytes(damaged)
        with pytest.raises(BundleIntegrityError, match=f"{WEIGHTS} .*{words}"):
            SpamClassifier.load(bundle_copy, FUSED)
    weights.unlink()
    with pytest.raises(BundleIntegrityError, match=f"{WEIGHTS} is missing"):
        SpamClassifier.load(bundle_copy, FUSED)


@pytest.mark.fused
def test_missing_or_shorter_weights_are_a_clear_error_even_unverified(bundle_copy: Path) -> None:
    unverified = RuntimeOptions(device="cpu", variant="fused", verify=False)
    weights = bundle_copy / WEIGHTS
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleIntegrityError, match=r"model_fused\.onnx cannot be opened .*; export the bundle again$"):
        SpamClassifier.load(bundle_copy, unverified)
    weights.unlink()
    with pytest.raises(BundleIntegrityError, match=rf"model_fused\.onnx cannot be opened .*{WEIGHTS}"):
        SpamClassifier.load(bundle_copy, unverified)


@pytest.mark.fused
def test_files_may_be_links(bundle_copy: Path, tmp_path: Path) -> None:
    """Caches of downloaded models, such as that of the Hugging Face Hub, keep files elsewhere under other names."""
    (tmp_path / "blobs").mkdir()
    for number, path in enumerate(sorted(path for path in bundle_copy.rglob("*") if path.is_file())):
        blob = path.rename(tmp_path / "blobs" / str(number))
        path.symlink_to(blob)
    texts = ["WINNER!! Call 09061701461 to claim your prize", "see you at 5 then"]
    assert np.array_equal(SpamClassifier.load(bundle_copy, FUSED).score(texts), _load(TINY).score(texts))


def _load(bundle: Path) -> SpamClassifier:
    return SpamClassifier.load(bundle, FUSED)


def _open(vectors: str) -> Session:
    with use_vectors(vectors):
        return open_session(Bundle.find(TINY), FUSED)


@pytest.fixture(scope="module")
def session(vectors: str) -> Session:
    return _open(vectors)


def _rows(count: int, longest: int, *, seed: int = 0) -> list[list[int]]:
    """Token ids of messages of all lengths from 1 to the longest."""
    dice = np.random.default_rng(seed)
    lengths = [longest, *dice.integers(1, longest + 1, size=count - 1)]
    return [dice.integers(0, 400, length).tolist() for length in lengths]


def _batch(rows: list[list[int]]) -> Batch:
    return pad_rows(rows, pad_token_id=0)


def _alone(session: Session, rows: list[list[int]]) -> NDArray[np.float32]:
    return np.concatenate([session.run(*_batch([ids])) for ids in rows])


IDS, MASK = _batch([[2, 9, 3], [2, 11, 12, 3], [2, 3]])
BAD_INPUT = {
    "an id beyond the vocabulary": (np.where(IDS == 11, 10**6, IDS), MASK),
    "a negative id": (np.where(IDS == 11, -1, IDS), MASK),
    "an id that is negative in 32 bits": (np.where(IDS == 11, 2**32 - 1, IDS), MASK),
    "more tokens than there are positions": (np.full((1, POSITIONS + 1), 9), np.ones((1, POSITIONS + 1), np.int64)),
    "a mask with fewer tokens": (IDS, MASK[:, :-1]),
    "a mask with fewer messages": (IDS, MASK[:-1]),
    "a mask that is turned": (IDS, np.ascontiguousarray(MASK.T)),
    "a message without a token": (IDS, np.where(IDS == 9, 0, MASK) * np.array([[0], [1], [1]])),
    "a last message without a token": (IDS, MASK * np.array([[1], [1], [0]])),
    "a mask with a hole": (IDS, np.where(IDS == 11, 0, MASK)),
    "padding on the left": (IDS[:, ::-1].copy(), MASK[:, ::-1].copy()),
    "messages of no tokens": (np.zeros((1000, 0), np.int64), np.zeros((1000, 0), np.int64)),
    "one message as a vector": (IDS[0], MASK[0]),
}


@pytest.mark.fused
@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_is_an_error_and_the_next_run_is_right(session: Session, name: str) -> None:
    before = session.run(IDS, MASK)
    with pytest.raises(Exception, match="INVALID_ARGUMENT"):  # onnxruntime has no common base class for its errors
        session.run(*BAD_INPUT[name])
    assert np.array_equal(session.run(IDS, MASK), before)


@pytest.mark.fused
def test_no_messages_have_no_logits(session: Session) -> None:
    assert session.run(np.zeros((0, 3), np.int64), np.zeros((0, 3), np.int64)).shape == (0, 2)


@pytest.mark.fused
def test_what_is_behind_the_mask_does_not_matter(session: Session) -> None:
    assert np.array_equal(session.run(np.where(MASK == 1, IDS, 10**9), MASK), session.run(IDS, MASK))


@pytest.mark.fused
def test_growing_and_shrinking_batches(session: Session, vectors: str) -> None:
    """A run uses the memory of the one before it where that is enough, and more where it is not."""
    for count, longest in ((1, 2), (3, POSITIONS), (200, 5), (1, 1), (40, POSITIONS), (2, 2), (300, 3), (7, 33)):
        rows = _rows(count, longest)
        fresh = _open(vectors)
        assert np.array_equal(session.run(*_batch(rows)), _alone(fresh, rows))


def _growth_over_closed_sessions(vectors: str) -> int:
    batches = [_batch(_rows(count, POSITIONS)) for count in (20, 40)]

    def open_and_close() -> None:
        session = _open(vectors)
        for batch in batches:  # the second of which needs more than the first left
            session.run(*batch)

    return growth(open_and_close)


def _growth_over_failing_runs(vectors: str) -> int:
    ids, mask = _batch(_rows(40, POSITIONS))
    last = np.arange(40)[:, None] == 39  # where everything before it was read
    failing, session = [(np.where(last, 10**6, ids), mask), (ids, np.where(last, 0, mask))], _open(vectors)

    def fail() -> None:
        for batch in failing:
            with pytest.raises(Exception, match="INVALID_ARGUMENT"):
                session.run(*batch)

    return growth(fail)


@pytest.mark.fused
@pytest.mark.parametrize("growth_over", [_growth_over_closed_sessions, _growth_over_failing_runs])
def test_closed_sessions_and_failing_runs_leave_no_memory_behind(
    vectors: str, growth_over: Callable[[str], int]
) -> None:
    assert in_fresh_process(growth_over, vectors) < 10 * MIB  # where fifty runs need a MiB each


@pytest.mark.fused
def test_many_threads_at_once_give_the_same_to_the_bit(session: Session) -> None:
    """More of them than there are workspaces that are kept."""
    batches = [_rows(1 + 13 * (seed % 4), 1 + 21 * (seed % 3), seed=seed) for seed in range(48)]
    expected = [_alone(session, rows) for rows in batches]
    with ThreadPoolExecutor(12) as pool:
        for _ in range(5):
            found = pool.map(lambda rows: session.run(*_batch(rows)), batches)
            assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))


@pytest.mark.fused
@pytest.mark.parametrize("tokens", [31, 32, 33, POSITIONS])
def test_the_longest_messages(session: Session, tokens: int) -> None:
    """Up to the length that messages are cut to, and to what the model could take, beside PyTorch's graph in fp32."""
    batch = _batch(_rows(20, tokens))
    fp32 = open_session(Bundle.find(TINY), RuntimeOptions(device="cpu", variant="fp32", threads=1)).run(*batch)
    assert np.abs(session.run(*batch) - fp32).max() < 0.01
