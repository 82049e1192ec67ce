"""The fused variant in the runtime: selection, fallback, errors, bad input, memory.

A fake /proc/cpuinfo simulates processors without AVX2; a patched registration simulates an old onnxruntime.
"""

import platform
import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from spam_edge import BundleIntegrityError, ProviderUnavailableError, RuntimeOptions, SpamClassifier
from spam_edge.bundle.locate import Bundle
from spam_edge.errors import OptionError
from spam_edge.runtime import custom_operator, processor
from spam_edge.runtime.batching import Batch, pad_rows
from spam_edge.runtime.custom_operator import ENVIRONMENT_VARIABLE, instruction_set, library, unavailable_reason
from spam_edge.runtime.processor import this_processor
from spam_edge.runtime.session import Session, open_session
from tests.benchmarks.fresh import in_fresh_process
from tests.support.memory import MIB, growth
from tests.support.vectors import fused_vectors, use_vectors

TINY = Path(__file__).parents[1] / "data" / "tiny_bundle"
POSITIONS = 64  # position embeddings of the tiny model, its maximum tokens per message
FUSED = RuntimeOptions(device="cpu", variant="fused", threads=1)
WEIGHTS = "onnx/model_quantized.onnx"
MISSING = "this installation lacks the fused operator, which needs Linux on x86-64 or ARM64"
TOO_OLD = "SpamEncoder needs onnxruntime 1.16 or later; this is onnxruntime 1.15.1"
UNFIT = "the fused operator needs a processor with AVX2 and FMA"
ALDER_LAKE = "fpu fma avx2 avx_vnni"
SAPPHIRE_RAPIDS = "fpu fma avx2 avx512f avx512dq avx512bw avx512vl avx512_vnni amx_tile amx_int8"


@pytest.fixture
def _clear_processor_cache() -> Iterator[None]:
    this_processor.cache_clear()
    yield
    this_processor.cache_clear()


def _without_library(monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    monkeypatch.setattr(custom_operator, "FOLDER", folder)
    return MISSING


def _without_avx2(monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    """Simulate a processor without AVX2, from before 2013."""
    _fake_processor(monkeypatch, folder, "fpu sse4_2 avx")
    (folder / "libspam_encoder_avx2.so").touch()
    monkeypatch.setattr(custom_operator, "FOLDER", folder)
    return UNFIT


def _without_the_library_of_this_processor(monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    """Simulate an installation compiled before the AVX-VNNI library existed."""
    _fake_processor(monkeypatch, folder, ALDER_LAKE)
    (folder / "libspam_encoder_avx2.so").touch()
    monkeypatch.setattr(custom_operator, "FOLDER", folder)
    return "this installation lacks the fused operator for avx_vnni; reinstall spam-edge"


def _fake_processor(monkeypatch: pytest.MonkeyPatch, folder: Path, flags: str) -> None:
    (folder / "cpuinfo").write_text(f"flags\t\t: {flags}\n", encoding="utf-8")
    monkeypatch.setattr(processor, "_CPUINFO", folder / "cpuinfo")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")


def _with_an_old_onnxruntime(monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    """Refuse registration as the library does; see tests/native/test_refusal.py."""

    def refuse(_: object, path: str) -> None:
        assert path == str(library())
        raise RuntimeError(f"{TOO_OLD}\nmore lines")

    (folder / library().name).symlink_to(library())  # a new path, so no result is cached
    monkeypatch.setattr(custom_operator, "FOLDER", folder)
    monkeypatch.setattr(onnxruntime.SessionOptions, "register_custom_ops_library", refuse)
    return f"the fused operator does not fit the installed onnxruntime ({TOO_OLD}); upgrade onnxruntime"


@pytest.mark.usefixtures("_clear_processor_cache")
@pytest.mark.parametrize(
    "make_unavailable",
    [
        _without_library,
        _without_avx2,
        _without_the_library_of_this_processor,
        pytest.param(_with_an_old_onnxruntime, marks=pytest.mark.fused),
    ],
)
@pytest.mark.parametrize("exact", [False, True])
def test_unavailable_fused_variant_is_refused_and_auto_takes_int8(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    make_unavailable: Callable[[pytest.MonkeyPatch, Path], str],
    exact: bool,
) -> None:
    reason = make_unavailable(monkeypatch, tmp_path)
    assert unavailable_reason() == reason
    with pytest.raises(ProviderUnavailableError, match=f"^{re.escape(reason)}; leave the variant at auto$"):
        SpamClassifier.load(TINY, RuntimeOptions(device="cpu", variant="fused", exact=exact))
    classifier = SpamClassifier.load(TINY, RuntimeOptions(device="cpu", exact=exact))
    assert classifier.variant == "int8"
    assert classifier.classify("WINNER!! Call 09061701461 to claim your prize").label == "SPAM"


@pytest.mark.fused
def test_unloadable_library_is_refused_and_auto_takes_int8(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / library().name).write_bytes(b"for another system")
    monkeypatch.setattr(custom_operator, "FOLDER", tmp_path)
    assert SpamClassifier.load(TINY, RuntimeOptions(device="cpu")).variant == "int8"
    with pytest.raises(ProviderUnavailableError, match=r"operator does not load \(.*\); reinstall spam-edge; leave"):
        SpamClassifier.load(TINY, FUSED)


def test_fused_operator_availability_follows_this_processor() -> None:
    """The expected result comes from /proc/cpuinfo, not from the code under test. ARM64 always has NEON."""
    cpuinfo = Path("/proc/cpuinfo")
    flags = set(cpuinfo.read_text(encoding="utf-8").split()) if cpuinfo.is_file() else set()
    has = {"x86_64": {"avx2", "fma"} <= flags, "aarch64": True}
    fits = sys.platform == "linux" and has.get(platform.machine(), False)
    assert (unavailable_reason() == "") == (fits and library().is_file())


@pytest.mark.fused
def test_auto_selects_and_describes_fused_variant() -> None:
    description = SpamClassifier.load(TINY, RuntimeOptions(device="cpu")).describe()
    assert (description["variant"], description["file"]) == ("fused", "onnx/model_fused.onnx")
    assert description["processor"] == this_processor().description
    assert description["instructions"] == fused_vectors()[0]


@pytest.mark.fused
@pytest.mark.parametrize("exact", [False, True])
def test_environment_variable_selects_library_with_equal_scores(vectors: str, exact: bool) -> None:
    with use_vectors(vectors):
        assert library().name == f"libspam_encoder_{vectors}.so"
        classifier = SpamClassifier.load(TINY, replace(FUSED, exact=exact))
    assert classifier.describe()["instructions"] == vectors
    texts = ["WINNER!! Call 09061701461 to claim your prize", "see you at 5 then"]
    assert np.array_equal(classifier.score(texts), SpamClassifier.load(TINY, replace(FUSED, exact=exact)).score(texts))


@pytest.mark.fused
@pytest.mark.usefixtures("_clear_processor_cache")
def test_processor_without_avx512_uses_avx_vnni(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if "avx_vnni" not in fused_vectors():
        pytest.skip("this processor lacks AVX-VNNI")
    this_processor.cache_clear()
    _fake_processor(monkeypatch, tmp_path, ALDER_LAKE)
    classifier = SpamClassifier.load(TINY, RuntimeOptions(device="cpu"))
    assert (classifier.variant, classifier.instructions) == ("fused", "avx_vnni")


@pytest.mark.usefixtures("_clear_processor_cache")
@pytest.mark.parametrize("wanted", ["avx512", "sse2", "AVX2", "../avx2"])
@pytest.mark.parametrize(
    ("flags", "detected"), [(ALDER_LAKE, "avx_vnni, avx2"), ("fpu fma avx2", "avx2"), ("fpu", "none")]
)
def test_unsupported_instruction_set_choice_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, wanted: str, flags: str, detected: str
) -> None:
    _fake_processor(monkeypatch, tmp_path, flags)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, wanted)
    reason = f"SPAM_EDGE_INSTRUCTION_SET is {wanted}, which was not detected on this processor (detected: {detected})"
    for variant in ("auto", "fused"):
        with pytest.raises(OptionError, match=f"^{re.escape(reason)}; unset it$"):
            SpamClassifier.load(TINY, RuntimeOptions(device="cpu", variant=variant))
    classifier = SpamClassifier.load(TINY, RuntimeOptions(device="cpu", variant="int8"))  # ignores the variable
    assert classifier.describe()["instructions"] is None


@pytest.mark.usefixtures("_clear_processor_cache")
@pytest.mark.parametrize("permitted", [True, False])
def test_amx_is_used_only_with_kernel_permission(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, permitted: bool
) -> None:
    _fake_processor(monkeypatch, tmp_path, SAPPHIRE_RAPIDS)
    requested: list[Path] = []
    monkeypatch.setattr(custom_operator, "_kernel_permits", lambda path: requested.append(path) or permitted)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "avx512")
    assert instruction_set() == "avx512"
    assert requested == []  # the choice of AVX-512 requests no permission for AMX
    monkeypatch.delenv(ENVIRONMENT_VARIABLE)
    assert instruction_set() == ("amx" if permitted else "avx512")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "amx")
    if permitted:
        assert instruction_set() == "amx"
    else:
        reason = "SPAM_EDGE_INSTRUCTION_SET is amx, which the kernel refuses to this process; unset it"
        with pytest.raises(OptionError, match=f"^{re.escape(reason)}$"):
            instruction_set()
    assert set(requested) == {custom_operator.FOLDER / "libspam_encoder_amx.so"}


@pytest.mark.usefixtures("_clear_processor_cache")
def test_missing_amx_library_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The library for AMX itself requests the permission of the kernel."""
    _fake_processor(monkeypatch, tmp_path, SAPPHIRE_RAPIDS)
    (tmp_path / "libspam_encoder_avx512.so").touch()
    monkeypatch.setattr(custom_operator, "FOLDER", tmp_path)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "amx")
    assert unavailable_reason() == "this installation lacks the fused operator for amx; reinstall spam-edge"


@pytest.mark.usefixtures("_clear_processor_cache")
def test_empty_instruction_set_variable_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _fake_processor(monkeypatch, tmp_path, ALDER_LAKE)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "")
    assert instruction_set() == "avx_vnni"


@pytest.mark.fused
def test_modified_or_missing_weights_are_refused(bundle_copy: Path) -> None:
    weights = bundle_copy / WEIGHTS
    content = weights.read_bytes()
    for damaged, words in (
        (content[:-1] + bytes([content[-1] ^ 1]), "was changed after the export"),
        (content + b"\0", "bytes, expected"),
    ):
        weights.write_bytes(damaged)
        with pytest.raises(BundleIntegrityError, match=f"{WEIGHTS} .*{words}"):
            SpamClassifier.load(bundle_copy, FUSED)
    weights.unlink()
    with pytest.raises(BundleIntegrityError, match=f"{WEIGHTS} is missing"):
        SpamClassifier.load(bundle_copy, FUSED)


@pytest.mark.fused
def test_unverified_load_refuses_truncated_or_missing_weights(bundle_copy: Path) -> None:
    unverified = RuntimeOptions(device="cpu", variant="fused", verify=False)
    weights = bundle_copy / WEIGHTS
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleIntegrityError, match=r"model_fused\.onnx cannot be opened .*; export the bundle again$"):
        SpamClassifier.load(bundle_copy, unverified)
    weights.unlink()
    with pytest.raises(BundleIntegrityError, match=f"{WEIGHTS} is missing although manifest"):
        SpamClassifier.load(bundle_copy, unverified)


@pytest.mark.fused
def test_bundle_of_symlinks_gives_equal_scores(bundle_copy: Path, tmp_path: Path) -> None:
    """Model caches such as the Hugging Face Hub's link to blobs with other names."""
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
    """Return random token ids of messages of 1 to ``longest`` tokens; the first has ``longest``."""
    rng = np.random.default_rng(seed)
    lengths = [longest, *rng.integers(1, longest + 1, size=count - 1)]
    return [rng.integers(0, 400, length).tolist() for length in lengths]


def _batch(rows: list[list[int]]) -> Batch:
    return pad_rows(rows, pad_token_id=0)


def _run_one_by_one(session: Session, rows: list[list[int]]) -> NDArray[np.float32]:
    return np.concatenate([session.run(*_batch([ids])) for ids in rows])


IDS, MASK = _batch([[2, 9, 3], [2, 11, 12, 3], [2, 3]])
BAD_ID, BAD_SHAPE = "a token id is not below 425", "ids and mask differ in shape"
BAD_MASK = "a message has no token, or tokens behind its padding"
BAD_INPUT = {
    "an id beyond the vocabulary": (np.where(IDS == 11, 10**6, IDS), MASK, BAD_ID),
    "the id behind the last": (np.where(IDS == 11, 425, IDS), MASK, BAD_ID),
    "a negative id": (np.where(IDS == 11, -1, IDS), MASK, BAD_ID),
    "an id that is negative in 32 bits": (np.where(IDS == 11, 2**32 - 1, IDS), MASK, BAD_ID),
    "more tokens than there are positions": (
        np.full((1, POSITIONS + 1), 9), np.ones((1, POSITIONS + 1), np.int64), "a message has more than 64 tokens",
    ),
    "a mask with fewer tokens": (IDS, MASK[:, :-1], BAD_SHAPE),
    "a mask with fewer messages": (IDS, MASK[:-1], BAD_SHAPE),
    "a mask that is turned": (IDS, np.ascontiguousarray(MASK.T), BAD_SHAPE),
    "a message without a token": (IDS, np.where(IDS == 9, 0, MASK) * np.array([[0], [1], [1]]), BAD_MASK),
    "a last message without a token": (IDS, MASK * np.array([[1], [1], [0]]), BAD_MASK),
    "a mask with a hole": (IDS, np.where(IDS == 11, 0, MASK), BAD_MASK),
    "padding on the left": (IDS[:, ::-1].copy(), MASK[:, ::-1].copy(), BAD_MASK),
    "messages of no tokens": (np.zeros((1000, 0), np.int64), np.zeros((1000, 0), np.int64), BAD_MASK),
    "one message as a vector": (IDS[0], MASK[0], "Invalid rank for input"),
}  # fmt: skip


@pytest.mark.fused
@pytest.mark.parametrize("name", BAD_INPUT)
def test_invalid_input_is_refused_and_session_stays_usable(session: Session, name: str) -> None:
    before = session.run(IDS, MASK)
    ids, mask, reason = BAD_INPUT[name]
    with pytest.raises(BundleIntegrityError, match=rf"model_fused\.onnx refuses its input .*{reason}.*export"):
        session.run(ids, mask)
    assert np.array_equal(session.run(IDS, MASK), before)


@pytest.mark.fused
@pytest.mark.parametrize(
    ("constant", "change"),
    [
        ("pre_classifier.weight", lambda array: np.full_like(array, 3e38)),  # finite, but sums of it are not
        ("classifier.weight", lambda array: np.repeat(array, 2, axis=1)),
    ],
)
def test_nonfinite_or_misshapen_logits_are_refused(
    bundle_copy: Path, constant: str, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> None:
    path = bundle_copy / "onnx" / "model_fused.onnx"
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name == constant:
            tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), constant))
        elif tensor.name == "classifier.bias" and constant == "classifier.weight":
            tensor.CopyFrom(numpy_helper.from_array(np.zeros(4, np.float32), tensor.name))
    onnx.save(model, path)
    classifier = SpamClassifier.load(bundle_copy, replace(FUSED, verify=False))
    with pytest.raises(BundleIntegrityError, match=r"model_fused\.onnx gave no finite logits of shape \(1, 2\)"):
        classifier.classify("see you at 5 then")


@pytest.mark.fused
def test_empty_batch_gives_empty_logits(session: Session) -> None:
    assert session.run(np.zeros((0, 3), np.int64), np.zeros((0, 3), np.int64)).shape == (0, 2)


@pytest.mark.fused
def test_token_ids_in_padding_are_ignored(session: Session) -> None:
    assert np.array_equal(session.run(np.where(MASK == 1, IDS, 10**9), MASK), session.run(IDS, MASK))


@pytest.mark.fused
def test_reused_workspace_gives_logits_of_fresh_session(session: Session, vectors: str) -> None:
    """A run reuses the workspace of an earlier run if it is large enough."""
    for count, longest in ((1, 2), (3, POSITIONS), (200, 5), (1, 1), (40, POSITIONS), (2, 2), (300, 3), (7, 33)):
        rows = _rows(count, longest)
        fresh = _open(vectors)
        assert np.array_equal(session.run(*_batch(rows)), _run_one_by_one(fresh, rows))


def _growth_over_closed_sessions(vectors: str) -> int:
    batches = [_batch(_rows(count, POSITIONS)) for count in (20, 40)]

    def open_and_close() -> None:
        session = _open(vectors)
        for batch in batches:  # the second batch needs a larger workspace
            session.run(*batch)

    return growth(open_and_close)


def _growth_over_failing_runs(vectors: str) -> int:
    ids, mask = _batch(_rows(40, POSITIONS))
    last = np.arange(40)[:, None] == 39  # fails after all other rows were read
    failing, session = [(np.where(last, 10**6, ids), mask), (ids, np.where(last, 0, mask))], _open(vectors)

    def fail() -> None:
        for batch in failing:
            with pytest.raises(BundleIntegrityError):
                session.run(*batch)

    return growth(fail)


@pytest.mark.fused
@pytest.mark.parametrize("growth_over", [_growth_over_closed_sessions, _growth_over_failing_runs])
def test_closed_sessions_and_failing_runs_leak_no_memory(vectors: str, growth_over: Callable[[str], int]) -> None:
    assert in_fresh_process(growth_over, vectors) < 10 * MIB  # fifty runs that need 1 MiB each


@pytest.mark.fused
def test_concurrent_runs_give_bit_identical_logits(session: Session) -> None:
    """Uses more threads than there are cached workspaces."""
    batches = [_rows(1 + 13 * (seed % 4), 1 + 21 * (seed % 3), seed=seed) for seed in range(48)]
    expected = [_run_one_by_one(session, rows) for rows in batches]
    with ThreadPoolExecutor(12) as pool:
        for _ in range(5):
            results = pool.map(lambda rows: session.run(*_batch(rows)), batches)
            assert all(np.array_equal(*pair) for pair in zip(results, expected, strict=True))


@pytest.mark.fused
@pytest.mark.parametrize("tokens", [31, 32, 33, POSITIONS])
def test_logits_match_fp32_around_maximum_length(session: Session, tokens: int) -> None:
    """Checks lengths around the truncation length, and the model's maximum."""
    batch = _batch(_rows(20, tokens))
    fp32 = open_session(Bundle.find(TINY), RuntimeOptions(device="cpu", variant="fp32", threads=1)).run(*batch)
    assert np.abs(session.run(*batch) - fp32).max() < 0.01
