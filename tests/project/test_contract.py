"""The public API; it works without the training stack and without integration engines."""

import subprocess
import sys
from pathlib import Path

import pytest

import spam_edge

ROOT = Path(__file__).parents[2]
ENGINES = ("ray", "pyspark", "datasets", "dask", "pandas", "polars", "pyarrow")
TRAINING_STACK = ("torch", "transformers", "optimum", "datasets", "onnx", "evaluate", "sklearn", "pyarrow")


@pytest.mark.parametrize(
    ("module", "use", "engine", "extra"),
    [
        ("ray", "RayClassifier(bundle)", "ray", "ray"),
        ("spark", "classify_udf(bundle)", "pyspark", "spark"),
        ("spark", "SparkClassifier(bundle).schema(None)", "pyspark", "spark"),
        ("datasets", "DatasetsClassifier(bundle).features(None)", "datasets", "train"),
    ],
)
def test_integration_without_engine_names_install_command(
    tiny_bundle: Path, module: str, use: str, engine: str, extra: str
) -> None:
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({ENGINES!r})); bundle = sys.argv[1]\n"
        f"from spam_edge.integrations.{module} import *\n"  # a star import must also work
        f"try:\n    {use}\nexcept ImportError as error:\n    print(error)"
    )
    completed = subprocess.run([sys.executable, "-c", code, tiny_bundle], capture_output=True, text=True, check=True)
    assert completed.stdout.startswith(f"{engine} cannot be imported (")
    assert completed.stdout.endswith(f"; pip install 'spam-edge[{extra}]'\n")
    assert completed.stdout.count("\n") == 1


def test_classifier_works_without_training_stack(tiny_bundle: Path) -> None:
    # None in sys.modules makes every import of the module raise.
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({TRAINING_STACK!r}))\n"
        "from spam_edge import SpamClassifier\n"
        "print(SpamClassifier.load(sys.argv[1]).classify('WINNER!! Call 09061701461 to claim your prize').label)"
    )
    completed = subprocess.run([sys.executable, "-c", code, tiny_bundle], capture_output=True, text=True, check=True)
    assert completed.stdout == "SPAM\n"


def test_import_has_no_side_effects() -> None:
    code = (
        "import logging, os, sys; before = dict(os.environ); import spam_edge.cli, spam_edge.classifier\n"
        "assert dict(os.environ) == before\n"
        "assert not logging.getLogger().handlers\n"
        "assert 'onnxruntime' not in sys.modules"
    )
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (completed.returncode, completed.stdout, completed.stderr) == (0, "", "")


def test_public_names_match_api_contract() -> None:
    assert set(spam_edge.__all__) == {
        "BundleIntegrityError", "BundleNotFoundError", "InputError", "ManifestError", "OperatingPointError",
        "Prediction", "ProviderUnavailableError", "RuntimeOptions", "SpamClassifier", "SpamEdgeError", "__version__",
    }  # fmt: skip
    assert all(hasattr(spam_edge, name) for name in spam_edge.__all__)
    assert sorted(dir(spam_edge)) == sorted(spam_edge.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Session'"):
        spam_edge.Session  # type: ignore[attr-defined]  # noqa: B018
    assert (ROOT / "spam_edge" / "py.typed").is_file()


def test_public_errors_derive_from_spam_edge_error() -> None:
    errors = [getattr(spam_edge, name) for name in spam_edge.__all__ if name.endswith("Error")]
    assert all(issubclass(error, spam_edge.SpamEdgeError) for error in errors)


def test_model_load_counter_is_active_only_with_loads_fixture(request: pytest.FixtureRequest) -> None:
    assert spam_edge.SpamClassifier._open_session.__module__ == "spam_edge.classifier"
    request.getfixturevalue("loads")
    assert spam_edge.SpamClassifier._open_session.__module__ == "tests.support.loads"
