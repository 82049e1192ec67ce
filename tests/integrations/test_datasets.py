"""Hugging Face datasets: multiprocessing, nulls, and results cached until the bundle changes."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spam_edge import InputError
from spam_edge.integrations.datasets import DatasetsClassifier
from tests.integrations.conftest import ROOT, Rows

datasets = pytest.importorskip("datasets")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


@pytest.fixture
def dataset(rows: Rows, tmp_path: Path) -> Any:
    """Return the rows as a dataset on disk, so that ``map`` caches its results."""
    columns = {"id": range(len(rows.texts)), "text": rows.texts}
    datasets.Dataset.from_dict(columns).save_to_disk(tmp_path / "rows")
    return datasets.load_from_disk(tmp_path / "rows")


@pytest.mark.parametrize("processes", [2, 3])
def test_multiprocess_map_equals_single_process_verdicts(
    dataset: Any, rows: Rows, tiny_bundle: Path, loads: Callable[[], dict[int, int]], processes: int
) -> None:
    classify = DatasetsClassifier(tiny_bundle)
    features = classify.features(dataset)
    mapped = dataset.map(classify, batched=True, batch_size=1920 // processes, num_proc=processes, features=features)
    assert mapped["id"][:] == list(range(len(rows.texts)))
    assert mapped["text"][:] == rows.texts
    assert list(zip(mapped["label"], mapped["spam_score"], mapped["truncated"], strict=True)) == rows.verdicts
    assert mapped.features["spam_score"].dtype == "float32"
    opened = loads()
    assert set(opened.values()) == {1}
    assert 1 < len(opened) <= processes


def test_arrow_tables_get_single_process_verdicts(dataset: Any, rows: Rows, tiny_bundle: Path) -> None:
    mapped = dataset.with_format("arrow").map(DatasetsClassifier(tiny_bundle), batched=True).with_format(None)
    assert list(zip(mapped["label"], mapped["spam_score"], mapped["truncated"], strict=True)) == rows.verdicts


def test_leading_batch_of_nulls_keeps_column_types(tiny_bundle: Path) -> None:
    dataset, classify = datasets.Dataset.from_dict({"text": [None, None, "see you"]}), DatasetsClassifier(tiny_bundle)
    mapped = dataset.map(classify, batched=True, batch_size=2, features=classify.features(dataset))
    assert mapped["label"][:] == [None, None, "HAM"]


def test_cached_results_are_invalidated_by_bundle_change(
    dataset: Any, bundle_copy: Path, loads: Callable[[], dict[int, int]]
) -> None:
    first = dataset.select(range(50))

    def mapped() -> Any:
        return first.map(DatasetsClassifier(bundle_copy), batched=True, num_proc=2)

    before = mapped()
    assert loads()
    assert mapped()["spam_score"][:] == before["spam_score"][:]
    assert loads() == {}  # all results come from the cache
    manifest = bundle_copy / "manifest.json"
    manifest.write_text(manifest.read_text("utf-8").replace('"version": "1"', '"version": "2"'), "utf-8")
    mapped()
    assert loads()


def test_cache_key_is_identical_across_processes(tiny_bundle: Path) -> None:
    code = (
        "import sys; from datasets.fingerprint import Hasher\n"
        "from spam_edge.integrations.datasets import DatasetsClassifier\n"
        "classify = DatasetsClassifier(sys.argv[1]); unused = Hasher.hash(classify)\n"
        "len(sys.argv) > 2 and classify({'text': ['see you']})\n"
        "print(Hasher.hash(classify))"
    )
    keys = [
        subprocess.run(
            [sys.executable, "-c", code, str(tiny_bundle), *used], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for used in ([], ["used"])
    ]
    assert keys[0] == keys[1] != ""


def test_column_conflicts_are_refused_before_processing(tiny_bundle: Path) -> None:
    dataset = datasets.Dataset.from_dict({"label": [1], "body": ["hello"]})
    with pytest.raises(InputError, match="no column 'text'; text_column takes one of: label, body"):
        DatasetsClassifier(tiny_bundle).features(dataset)
    with pytest.raises(InputError, match="already has a column 'label'; set prefix to keep both"):
        DatasetsClassifier(tiny_bundle, text_column="body").features(dataset)


@pytest.mark.parametrize("text", ["WINNER free prize", None])
def test_unbatched_map_call_is_refused(tiny_bundle: Path, text: str | None) -> None:
    dataset = datasets.Dataset.from_dict({"text": [text]})
    with pytest.raises(InputError, match=r"column 'text': expected a list or column of texts, .*batched=True"):
        dataset.map(DatasetsClassifier(tiny_bundle))


def test_documentation_recipe_finds_one_spam_message(run_recipe: Callable[[str], str]) -> None:
    shown = run_recipe("datasets")
    assert shown.count("SPAM") == 1
    assert "HAM" not in shown
