"""Spark in local mode with real workers: scores equal a single process, nulls, one model per worker, worker crashes."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spam_edge import InputError, RuntimeOptions
from spam_edge.integrations.spark import SparkClassifier, classify_udf
from tests.integrations.conftest import Rows, Verdict
from tests.support.workers import CountedSpark, MortalSpark

pyspark = pytest.importorskip("pyspark")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java 17 or newer, and there is no java here"),
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]


@pytest.fixture(scope="module")
def spark(load_files: Path) -> Iterator[Any]:
    """Start two workers. Tasks may fail three times; by default local mode does not retry."""
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # a short-lived JVM
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "1000",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        builder = pyspark.sql.SparkSession.builder.master("local[2,4]").appName("spam-edge")
        for name, value in settings.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("OFF")
        yield session
        session.stop()


@pytest.fixture(scope="module")
def frame(spark: Any, rows: Rows) -> Any:
    """Return the rows with an id and an unrelated column."""
    numbered = [(number, text, None if number % 3 else [number]) for number, text in enumerate(rows.texts)]
    return spark.createDataFrame(numbered, "id long, text string, more array<long>").cache()


def _verdicts(frame: Any) -> list[Verdict]:
    """Return the verdicts in order of the ids; each id occurs once, with its columns intact."""
    collected = sorted(frame.collect(), key=lambda row: row["id"])
    assert [row["id"] for row in collected] == list(range(len(collected)))
    assert all(row["more"] == (None if row["id"] % 3 else [row["id"]]) for row in collected)
    return [(row["label"], row["spam_score"], row["truncated"]) for row in collected]


@pytest.mark.parametrize(("method", "partitions"), [("mapInArrow", 3), ("mapInPandas", 7)])
def test_spark_map_equals_single_process_verdicts(
    frame: Any, rows: Rows, tiny_bundle: Path, method: str, partitions: int
) -> None:
    classify = SparkClassifier(tiny_bundle)
    mapped = getattr(frame.repartition(partitions), method)(classify, classify.schema(frame.schema))
    assert _verdicts(mapped) == rows.verdicts


def test_column_udf_equals_single_process_verdicts(frame: Any, rows: Rows, tiny_bundle: Path) -> None:
    verdict = classify_udf(tiny_bundle, batch_size=300)("text")
    mapped = frame.repartition(5).withColumn("verdict", verdict)
    assert mapped.schema["verdict"].dataType.simpleString() == "struct<label:string,spam_score:float,truncated:boolean>"
    assert _verdicts(mapped.select("id", "more", "verdict.*")) == rows.verdicts


def test_each_worker_loads_one_model(frame: Any, tiny_bundle: Path, loads: Callable[[], dict[int, int]]) -> None:
    options = RuntimeOptions(threads=1, threshold=0.25)  # no session with these options is open yet
    for partitions in (2, 6):
        classify = CountedSpark(tiny_bundle, options=options)
        frame.repartition(partitions).mapInArrow(classify, classify.schema(frame.schema)).count()
    opened = loads()
    assert set(opened.values()) == {1}
    assert len(opened) < 8  # workers run several tasks each


def test_crashed_worker_is_replaced_without_changing_verdicts(
    frame: Any, rows: Rows, tiny_bundle: Path, tmp_path: Path
) -> None:
    classify = MortalSpark(bundle=tiny_bundle, marker=tmp_path / "died")
    mapped = frame.repartition(3).mapInArrow(classify, classify.schema(frame.schema))
    assert _verdicts(mapped) == rows.verdicts
    assert (tmp_path / "died").exists()


def test_null_and_empty_frames_give_null_and_empty_results(spark: Any, tiny_bundle: Path) -> None:
    nulls = spark.createDataFrame([(None,)] * 3, "text string").repartition(2)
    classify = SparkClassifier(tiny_bundle, prefix="sms_")
    for frame, expected in ((nulls, 3), (nulls.where("text is not null"), 0)):
        for method in ("mapInPandas", "mapInArrow"):
            collected = getattr(frame, method)(classify, classify.schema(frame.schema)).collect()
            assert [tuple(row) for row in collected] == [(None, None, None, None)] * expected
        collected = frame.select(classify_udf(tiny_bundle)("text").alias("verdict")).select("verdict.*").collect()
        assert [tuple(row) for row in collected] == [(None, None, None)] * expected


def test_column_conflicts_are_refused_before_processing(spark: Any, tiny_bundle: Path) -> None:
    frame = spark.createDataFrame([("ham", "hello")], "label string, body string")
    with pytest.raises(InputError, match="no column 'text'; text_column takes one of: label, body"):
        SparkClassifier(tiny_bundle).schema(frame.schema)
    with pytest.raises(InputError, match="already has a column 'label'; set prefix to keep both"):
        SparkClassifier(tiny_bundle, text_column="body").schema(frame.schema)


@pytest.mark.usefixtures("spark")
def test_documentation_recipe_finds_two_spam_messages(run_recipe: Callable[[str], str]) -> None:
    shown = run_recipe("pyspark")
    assert shown.count("SPAM") == 2
    assert "HAM" not in shown
