import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from spam_edge.training.data.group_folds import GroupFolds


@pytest.mark.filterwarnings("ignore:The least populated class:UserWarning")
@given(st.integers(0, 2**32 - 1), st.integers(20, 200), st.integers(2, 10), st.floats(0.05, 0.6))
def test_group_folds_equal_scikit_learn_folds(seed: int, n: int, folds: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) < max(1, share * n)
    groups = np.concatenate([np.arange(10), rng.integers(0, n, n - 10)])
    options = {"n_splits": folds, "shuffle": True, "random_state": seed}
    actual, expected = (
        [held_out.tolist() for _, held_out in splitter.split(labels, labels, groups)]
        for splitter in (GroupFolds(**options), StratifiedGroupKFold(**options))
    )
    assert actual == expected
