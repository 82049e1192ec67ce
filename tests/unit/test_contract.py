"""What the runtime may import, what the package offers, and that the one works without the training stack."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import spam_edge

ROOT = Path(__file__).parents[2]
BATCH = sorted((ROOT / "spam_edge" / "batch").glob("*.py"))
RUNTIME = [*sorted((ROOT / "spam_edge").glob("*.py")), *BATCH]
ALLOWED = {"numpy", "onnxruntime", "tokenizers", "click", "spam_edge"}
INTEGRATIONS = sorted((ROOT / "spam_edge" / "integrations").glob("*.py"))
ENGINES = ("ray", "pyspark", "datasets", "dask", "pandas", "polars", "pyarrow")
LEAVES = {"forks", "engine", "processor", "fused", "boundaries", "batching", "threads"}
LAZY = {"formats.py": {"pyarrow"}}
COMMANDS = {"__main__.py": {"cli"}} | {
    f"{name}.py": {"cli_base"} for name in ("cli", "cli_batch", "cli_bench", "cli_classify", "cli_drift", "cli_explain")
}
TRAINING_STACK = ("torch", "transformers", "optimum", "datasets", "onnx", "evaluate", "sklearn", "pyarrow")


def _imports(path: Path) -> dict[str, bool]:
    """Map imported module -> whether it is imported at the top of the file, type-checking blocks left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: dict[str, bool] = {}

    def visit(node: ast.AST, *, top: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.Import):
                found.update({alias.name: top for alias in child.names})
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path.name} imports relatively"
                found[child.module or ""] = top
                found.update({f"{child.module}.{alias.name}": top for alias in child.names})
            visit(child, top=top and not isinstance(child, ast.FunctionDef))

    visit(tree, top=True)
    return found


@pytest.mark.parametrize("path", RUNTIME, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_runtime_imports_only_what_it_may(path: Path) -> None:
    imports = _imports(path)
    foreign = {name.split(".")[0] for name in imports} - sys.stdlib_module_names - ALLOWED
    if path in BATCH:
        assert foreign <= {"pyarrow"}
    else:
        assert foreign <= LAZY.get(path.name, set())
        assert not [name for name, top in imports.items() if top and re.match(r"pyarrow|spam_edge\.batch\b", name)]
    shared = {"spam_edge.integrations", "spam_edge.integrations.engine"} if path in BATCH else set()
    assert not [
        name for name in imports.keys() - shared if re.match(r"spam_edge\.(training|integrations)|export\b", name)
    ]
    commands = {name.split(".")[1] for name in imports if name.startswith("spam_edge.cli")} - {"classifier"}
    assert commands <= (set() if path in BATCH else COMMANDS.get(path.name, set()))


@pytest.mark.parametrize("path", INTEGRATIONS, ids=lambda path: path.name)
def test_an_integration_imports_no_engine(path: Path) -> None:
    """Those that it needs it asks for by name, when it is used; the runtime is all that it imports."""
    assert {name.split(".")[0] for name in _imports(path)} - sys.stdlib_module_names <= ALLOWED


@pytest.mark.parametrize(
    ("module", "use", "engine", "extra"),
    [
        ("ray", "RayClassifier(bundle)", "ray", "ray"),
        ("spark", "classify_udf(bundle)", "pyspark", "spark"),
        ("spark", "SparkClassifier(bundle).schema(None)", "pyspark", "spark"),
        ("datasets", "DatasetsClassifier(bundle).features(None)", "datasets", "train"),
    ],
)
def test_an_integration_without_its_engine_says_what_to_install(
    tiny_bundle: Path, module: str, use: str, engine: str, extra: str
) -> None:
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({ENGINES!r})); bundle = sys.argv[1]\n"
        f"from spam_edge.integrations.{module} import *\n"  # which nobody is kept from
        f"try:\n    {use}\nexcept ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, tiny_bundle], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{engine} cannot be imported (")
    assert done.stdout.endswith(f"; pip install 'spam-edge[{extra}]'\n")
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("name", sorted({*LEAVES, "session", "tokenization", "atomic"}))
def test_leaves_do_not_know_the_classifier(name: str) -> None:
    imports = _imports(ROOT / "spam_edge" / f"{name}.py")
    inside = {module.split(".")[1] for module in imports if module.startswith("spam_edge.")}
    assert inside <= LEAVES | {"errors", "manifest", "bundle"}


def test_classifies_with_the_training_stack_blocked(tiny_bundle: Path) -> None:
    # A module that is None in sys.modules raises on import; "not imported" alone would miss one in a branch.
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({TRAINING_STACK!r}))\n"
        "from spam_edge import SpamClassifier\n"
        "print(SpamClassifier.load(sys.argv[1]).classify('WINNER!! Call 09061701461 to claim your prize').label)"
    )
    done = subprocess.run([sys.executable, "-c", code, tiny_bundle], capture_output=True, text=True, check=True)
    assert done.stdout == "SPAM\n"


def test_importing_has_no_side_effects() -> None:
    code = (
        "import logging, os, sys; before = dict(os.environ); import spam_edge.cli, spam_edge.classifier\n"
        "assert dict(os.environ) == before\n"
        "assert not logging.getLogger().handlers\n"
        "assert 'onnxruntime' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_public_names_are_exactly_these() -> None:
    assert set(spam_edge.__all__) == {
        "BundleIntegrityError", "BundleNotFoundError", "InputError", "ManifestError", "OperatingPointError",
        "Prediction", "ProviderUnavailableError", "RuntimeOptions", "SpamClassifier", "SpamEdgeError", "__version__",
    }  # fmt: skip
    assert all(hasattr(spam_edge, name) for name in spam_edge.__all__)
    assert sorted(dir(spam_edge)) == sorted(spam_edge.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Session'"):
        spam_edge.Session  # type: ignore[attr-defined]  # noqa: B018
    assert (ROOT / "spam_edge" / "py.typed").is_file()


def test_every_error_is_ours() -> None:
    errors = [getattr(spam_edge, name) for name in spam_edge.__all__ if name.endswith("Error")]
    assert all(issubclass(error, spam_edge.SpamEdgeError) for error in errors)
