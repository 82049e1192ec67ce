"""Column batches of every kind: verdicts of ``classify_batch``, nulls, errors, pickling without a model."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge import BundleIntegrityError, BundleNotFoundError, InputError, RuntimeOptions, SpamClassifier
from spam_edge.integrations.columns import ColumnClassifier
from tests.integrations.conftest import ROOT

TINY = ROOT / "tests" / "data" / "tiny_bundle"
SPAM, HAM = "WINNER!! Call 09061701461 to claim your prize", "see you at 5 then"
OPTIONS = RuntimeOptions(device="cpu", threads=1)
ColumnTexts = list[str | None]

KINDS: dict[str, tuple[Callable[[ColumnTexts], Any], Callable[[Any, str], list[Any]]]] = {
    "lists": (lambda texts: {"text": texts}, lambda batch, name: batch[name]),
    "numpy": (lambda texts: {"text": np.array(texts, dtype=object)}, lambda batch, name: batch[name].tolist()),
    "pandas": (
        lambda texts: pandas.DataFrame({"text": texts}, index=range(7, 7 + len(texts)), dtype=object),
        lambda batch, name: batch[name].tolist(),
    ),
    "polars": (
        lambda texts: polars.DataFrame({"text": polars.Series(texts, dtype=polars.String)}),
        lambda batch, name: batch[name].to_list(),
    ),
    "arrow": (
        lambda texts: pyarrow.table({"text": pyarrow.array(texts, pyarrow.string())}),
        lambda batch, name: batch[name].to_pylist(),
    ),
    "record batch": (
        lambda texts: pyarrow.record_batch({"text": pyarrow.array(texts, pyarrow.string())}),
        lambda batch, name: batch[name].to_pylist(),
    ),
}


@pytest.fixture(scope="module")
def classify() -> ColumnClassifier:
    return ColumnClassifier(TINY, options=OPTIONS)


def _plain(value: Any) -> Any:
    """Map every kind of null to None."""
    return None if pandas.isna(value) else value


@pytest.mark.parametrize("kind", KINDS)
@given(texts=st.lists(st.none() | st.text(st.characters(exclude_categories=("Cs",)), max_size=40), max_size=9))
def test_every_batch_type_gets_classify_batch_verdicts(
    classify: ColumnClassifier, kind: str, texts: ColumnTexts
) -> None:
    make, column = KINDS[kind]
    batch = make(texts)
    result = classify(batch)
    assert type(result) is type(batch)
    known = [text for text in texts if text is not None]
    verdicts = iter(classify.classifier.classify_batch(known))
    expected = [None if text is None else next(verdicts) for text in texts]
    for name, attribute in (("label", "label"), ("spam_score", "score"), ("truncated", "truncated")):
        wanted = [None if verdict is None else getattr(verdict, attribute) for verdict in expected]
        assert [_plain(value) for value in column(result, name)] == wanted
    assert [_plain(text) for text in column(result, "text")] == texts


@pytest.mark.parametrize("texts", [[SPAM, HAM], [None, HAM], [None], []])
def test_column_types_do_not_depend_on_nulls(classify: ColumnClassifier, texts: ColumnTexts) -> None:
    frame = classify(KINDS["pandas"][0](texts))
    assert [str(kind) for kind in frame.dtypes[1:]] == ["string", "Float32", "boolean"]
    assert frame.index.tolist() == list(range(7, 7 + len(texts)))
    assert classify(KINDS["polars"][0](texts)).dtypes[1:] == [polars.String, polars.Float32, polars.Boolean]
    for kind in ("arrow", "record batch"):
        types = classify(KINDS[kind][0](texts)).schema.types
        assert types[1:] == [pyarrow.string(), pyarrow.float32(), pyarrow.bool_()]
    arrays = classify(KINDS["numpy"][0](texts))
    assert arrays["spam_score"].dtype == np.float32
    assert all(score is None or type(score) is np.float32 for score in classify({"text": texts})["spam_score"])


def test_every_null_value_gives_null_verdict(classify: ColumnClassifier) -> None:
    nulls = [None, float("nan"), np.float32("nan"), np.float64("nan"), pandas.NA, pandas.NaT]
    assert classify({"text": [*nulls, HAM]})["label"] == [None] * len(nulls) + ["HAM"]
    for dtype in ("str", "string", "category", pandas.ArrowDtype(pyarrow.string())):
        frame = pandas.DataFrame({"text": pandas.Series([HAM, None], dtype=dtype)})
        assert [_plain(label) for label in classify(frame)["label"]] == ["HAM", None]


def test_prefix_and_text_column_set_column_names(classify: ColumnClassifier) -> None:
    prefixed = ColumnClassifier(TINY, text_column="body", prefix="sms_", options=OPTIONS)
    result = prefixed({"label": ["ham"], "body": [HAM]})
    assert list(result) == ["label", "body", "sms_label", "sms_spam_score", "sms_truncated"]
    assert result["label"] == ["ham"]


def test_invalid_batches_are_refused_with_reason(classify: ColumnClassifier) -> None:
    with pytest.raises(InputError, match="no column 'text'; text_column takes one of: body, kind"):
        classify({"body": [HAM], "kind": ["ham"]})
    with pytest.raises(InputError, match="already has a column 'label'; set prefix to keep both"):
        classify(pandas.DataFrame({"label": ["ham"], "text": [HAM]}))
    with pytest.raises(InputError, match="column 'text': message 2 is int, not str"):
        classify({"text": [None, HAM, 5]})
    with pytest.raises(InputError, match="column 'text': message 1 is not valid Unicode: lone surrogate"):
        classify({"text": [None, "\ud800"]})
    with pytest.raises(InputError, match="a DataFrame or a Table, not list"):
        classify([HAM])


def test_missing_or_changed_bundle_is_refused(bundle_copy: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleNotFoundError):
        ColumnClassifier(tmp_path)
    with pytest.raises(BundleIntegrityError, match=r"has the digest [0-9a-f]{64}, not 0000"):
        ColumnClassifier(bundle_copy, digest="0000")
    manifest = bundle_copy / "manifest.json"
    text = manifest.read_text("utf-8")
    manifest.write_text(text.replace('"version": "1"', '"version": "3"'), "utf-8")
    classify = ColumnClassifier(bundle_copy)
    manifest.write_text(text, "utf-8")
    with pytest.raises(BundleIntegrityError, match="no longer holds the model that this job started with"):
        classify({"text": [HAM]})


def test_equal_classifiers_share_one_loaded_model(bundle_copy: Path, loads: Callable[[], dict[int, int]]) -> None:
    options = RuntimeOptions(device="cpu", threads=1, threshold=0.125)  # no session with these options is open yet
    classifiers = [ColumnClassifier(path, options=options) for path in (TINY, bundle_copy) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        labels = list(pool.map(lambda classify: classify({"text": [SPAM]})["label"], classifiers))
    assert labels == [["SPAM"]] * 8
    assert list(loads().values()) == [1]
    assert isinstance(classifiers[0].classifier, SpamClassifier)


def test_pickled_classifier_contains_no_model(classify: ColumnClassifier) -> None:
    classify({"text": [SPAM]})
    pickled = pickle.dumps(classify)
    assert len(pickled) < 1000
    code = "import pickle, sys; print(pickle.loads(sys.stdin.buffer.read())({'text': [sys.argv[1], None]})['label'])"
    command = [sys.executable, "-c", code, SPAM]
    completed = subprocess.run(command, input=pickled, cwd=ROOT, capture_output=True, check=False)
    assert (completed.returncode, completed.stdout, completed.stderr) == (0, b"['SPAM', None]\n", b"")


def test_lists_need_no_data_framework() -> None:
    code = (
        "import sys; libraries = ('pandas', 'polars', 'pyarrow', 'ray', 'pyspark', 'datasets', 'dask')\n"
        "sys.modules.update(dict.fromkeys(libraries))\n"
        "from spam_edge.integrations.columns import ColumnClassifier\n"
        "print(ColumnClassifier(sys.argv[1])({'text': ['see you at 5 then']})['label'])"
    )
    completed = subprocess.run(
        [sys.executable, "-c", code, str(TINY)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert completed.stdout == "['HAM']\n"


@pytest.mark.parametrize(
    "column", ["WIN", b"WIN", None, np.array("WIN"), np.array([["WIN"]]), {"a": "WIN"}, np.str_("WIN"), 5]
)
def test_single_value_instead_of_column_is_refused(classify: ColumnClassifier, column: object) -> None:
    with pytest.raises(InputError, match=r"column 'text': expected a list or column of texts, .*batched=True"):
        classify({"text": column})
    with pytest.raises(InputError, match="expected a list or column of texts"):
        classify.verdicts(column)


@pytest.mark.parametrize(
    "batch",
    [
        pandas.DataFrame([["a", "b"]], columns=["text", "text"]),
        pyarrow.table([["a"], ["b"]], names=["text", "text"]),
        pyarrow.record_batch([pyarrow.array(["a"]), pyarrow.array(["b"])], names=["text", "text"]),
    ],
)
def test_duplicate_text_column_is_refused(classify: ColumnClassifier, batch: Any) -> None:
    with pytest.raises(InputError, match="there is more than one column 'text'; rename all but one"):
        classify(batch)


def test_duplicate_names_of_other_columns_are_accepted(classify: ColumnClassifier) -> None:
    for batch in (
        pandas.DataFrame([["hi", 1, 2]], columns=["text", "a", "a"]),
        pyarrow.table([["hi"], [1], [2]], names=["text", "a", "a"]),
    ):
        assert classify(batch).shape == (1, 6)
