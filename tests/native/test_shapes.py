"""All libraries of the fused operator give bit-identical logits for random models and batches of any shape."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spam_edge.runtime.batching import pad_rows
from spam_edge.runtime.providers import CPU, create_session
from tests.support.fused_models import INPUTS, POSITIONS, VOCABULARY, Sizes, random_model
from tests.support.vectors import fused_vectors, use_vectors

pytestmark = pytest.mark.fused

SIZES = st.builds(
    Sizes,
    heads=st.integers(1, 3),
    size=st.integers(1, 50),
    hidden=st.integers(1, 300),
    layers=st.integers(1, 2),
    labels=st.integers(1, 3),
    repeated=st.integers(0, 70),
    fine=st.integers(0, INPUTS),
    completed=st.integers(0, 3),
)
LENGTHS = st.lists(st.integers(1, POSITIONS), min_size=1, max_size=5)


def _sessions(sizes: Sizes, folder: Path, seed: int = 0) -> dict[str, Any]:
    """Open a random model with each library."""
    path, sessions = folder / "model_fused.onnx", {}
    onnx.save(random_model(sizes, seed), path)
    for name in fused_vectors():
        with use_vectors(name):
            sessions[name] = create_session(path, optimization="disabled", provider=CPU, fused=True)
    if len(sessions) < 2:
        pytest.skip("this processor can run only one library")
    return sessions


def _run(session: Any, lengths: Sequence[int], seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    ids, mask = pad_rows([rng.integers(0, VOCABULARY, length).tolist() for length in lengths], pad_token_id=0)
    logits: NDArray[np.float32] = session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0]
    return logits


def _assert_identical_logits(sessions: dict[str, Any], lengths: Sequence[int], seed: int = 0) -> None:
    actual = {name: _run(session, lengths, seed) for name, session in sessions.items()}
    expected = actual.pop("avx2")
    assert np.isfinite(expected).all()
    for name, logits in actual.items():
        assert np.array_equal(logits, expected), name


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
@given(sizes=SIZES, lengths=LENGTHS, seed=st.integers(0, 2**32))
def test_random_models_and_batches_give_identical_logits(
    tmp_path: Path, sizes: Sizes, lengths: list[int], seed: int
) -> None:
    _assert_identical_logits(_sessions(sizes, tmp_path, seed), lengths, seed)


@pytest.mark.parametrize("fine", [0, INPUTS])
def test_every_row_count_gives_identical_logits(tmp_path: Path, fine: int) -> None:
    """Covers all tile heights, odd and even numbers of row groups, and both sides of a chunk of 96 rows."""
    sessions = _sessions(Sizes(heads=2, size=33, hidden=130, layers=2, repeated=3, fine=fine, completed=2), tmp_path)
    for rows in (*range(1, 51), 63, 64, 65, 95, 96, 97, 161, 191, 192, 193):
        lengths = [POSITIONS] * (rows // POSITIONS) + [rows % POSITIONS] * (rows % POSITIONS > 0)
        _assert_identical_logits(sessions, lengths, seed=rows)


def test_real_model_widths_give_identical_logits(tmp_path: Path) -> None:
    sessions = _sessions(Sizes(heads=12, size=32, hidden=1536, layers=1, repeated=15, completed=2), tmp_path)
    for lengths in ([1], [23], [POSITIONS, 7, 30]):
        _assert_identical_logits(sessions, lengths)
