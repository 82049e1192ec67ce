"""The recipes of docs/integrations.md; those for Ray and Spark run in the modules that start these clusters."""

from collections.abc import Callable

import pytest

from tests.integrations.conftest import RECIPES


def test_documentation_has_recipe_for_each_framework() -> None:
    assert list(RECIPES) == ["ray", "pyspark", "datasets", "pandas", "dask"]
    assert all("bundle = " in code for code in RECIPES.values())


@pytest.mark.parametrize("name", ["pandas", "dask"])
def test_documentation_recipe_finds_expected_spam(run_recipe: Callable[[str], str], name: str) -> None:
    shown = run_recipe(name)
    assert shown.count("SPAM") == {"pandas": 2, "dask": 4}[name]  # the pandas recipe has one each in pandas and polars
    assert "HAM" not in shown
