"""The recipes of the README, as they stand there; those of Ray and Spark run where these are started anyway."""

from collections.abc import Callable

import pytest

from tests.integrations.conftest import RECIPES


def test_there_is_a_recipe_for_each_engine() -> None:
    assert list(RECIPES) == ["ray", "pyspark", "datasets", "pandas", "dask"]


@pytest.mark.parametrize("name", ["pandas", "dask"])
def test_recipe(run_recipe: Callable[[str], str], name: str) -> None:
    shown = run_recipe(name)
    assert shown.count("SPAM") == {"pandas": 2, "dask": 4}[name]  # in a DataFrame each of pandas and polars
    assert "HAM" not in shown
