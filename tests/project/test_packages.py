"""Dependency rules: one table of allowed imports for every module of ``spam_edge`` and ``export``."""

from graphlib import TopologicalSorter
from typing import NamedTuple

import pytest

from tests.support.imports import EDGES, FILES, LAZY, ROOT, STATIC, TYPING, imports_in

MAX_ENTRIES = 25
"""Maximum number of entries in ``spam_edge/``."""


class Package(NamedTuple):
    """A row of the table.

    Attributes:
        modules: its modules, and packages with everything in them.
        imports: rows it may import besides itself.
        libraries: third-party libraries it may import.
    """

    modules: str
    imports: str = ""
    libraries: str = ""


_RUNTIME = "version foundation bundle text readers decision runtime classifier"
_LIBRARY = f"{_RUNTIME} diagnostics bench batch integrations"
_TRAINING = "foundation bundle text readers"
_EXPORT = f"{_LIBRARY} training settings data model metrics disguises export-base"

PACKAGES = {
    "version": Package("spam_edge"),  # the public names, and the version that descriptions quote
    "main": Package("spam_edge.__main__", "cli"),
    "foundation": Package(
        "spam_edge.errors spam_edge.escapes spam_edge.atomic spam_edge.options spam_edge.prediction spam_edge.extras "
        "spam_edge.resources spam_edge.signals"
    ),
    "bundle": Package("spam_edge.bundle", "foundation", "numpy"),
    "text": Package("spam_edge.text", "foundation", "numpy tokenizers"),
    "readers": Package("spam_edge.readers", "foundation"),
    "decision": Package("spam_edge.decision", "foundation bundle", "numpy"),
    "runtime": Package("spam_edge.runtime", "foundation bundle decision", "numpy"),
    "native": Package("spam_edge.native.build", "", "hatchling"),
    "classifier": Package("spam_edge.classifier", "foundation bundle text decision runtime", "numpy"),
    "diagnostics": Package("spam_edge.diagnostics spam_edge.drift", _RUNTIME, "numpy"),
    "bench": Package("spam_edge.bench", _RUNTIME, "numpy"),
    "batch": Package("spam_edge.batch", _RUNTIME, "numpy pyarrow"),
    "integrations": Package("spam_edge.integrations", _RUNTIME, "numpy"),
    "cli": Package("spam_edge.cli", _LIBRARY, "click"),
    "settings": Package("spam_edge.training.settings", _TRAINING),
    "data": Package("spam_edge.training.data", f"{_TRAINING} settings", "numpy scipy sklearn"),
    "model": Package(
        "spam_edge.training.model", f"{_TRAINING} settings data", "datasets safetensors torch transformers"
    ),
    "metrics": Package(
        "spam_edge.training.metrics",
        f"{_TRAINING} settings data",
        "datasets evaluate matplotlib numpy scipy sklearn transformers",
    ),
    "disguises": Package("spam_edge.training.attacks", _TRAINING, "confusable_homoglyphs"),
    "training": Package(
        "spam_edge.training",
        f"{_TRAINING} settings data model metrics",
        "click numpy safetensors torch tqdm transformers",
    ),
    "export-base": Package(
        "export.errors export.checkpoint export.reference",
        "foundation bundle text data",
        "numpy safetensors torch tqdm transformers",
    ),
    "graphs": Package("export.graphs", _EXPORT, "numpy onnx onnxruntime optimum torch transformers"),
    "quantization": Package(
        "export.quantization", f"{_EXPORT} graphs", "numpy onnx onnxruntime optimum torch tqdm transformers"
    ),
    "files": Package("export.bundle_files export.provenance", f"{_EXPORT} graphs quantization", "onnx"),
    "thresholds": Package("export.thresholds export.modes", _EXPORT, "numpy scipy"),
    "parity": Package("export.parity", f"{_EXPORT} graphs quantization files", "numpy onnx scipy tqdm"),
    "report": Package(
        "export.report", f"{_EXPORT} graphs quantization files thresholds parity", "matplotlib numpy sklearn"
    ),
    "assembly": Package("export", f"{_EXPORT} graphs quantization files thresholds parity report", "click numpy"),
}

EXCEPTIONS = {
    # Public names, for type checkers; at run time they are imported on first use.
    ("spam_edge", "spam_edge.classifier"): TYPING,
    ("spam_edge", "spam_edge.errors"): TYPING,
    ("spam_edge", "spam_edge.options"): TYPING,
    ("spam_edge", "spam_edge.prediction"): TYPING,
    # Diagnostic methods of the classifier, lazy to keep plain classification fast to import.
    ("spam_edge.classifier", "spam_edge.diagnostics.explain"): LAZY,
    ("spam_edge.classifier", "spam_edge.diagnostics.describe"): LAZY,
    # Slow to import, and optional.
    ("spam_edge.runtime.engine", "onnxruntime"): LAZY,
    ("spam_edge.readers.extraction", "pyarrow"): LAZY,
    ("spam_edge.readers.formats", "pyarrow"): LAZY,
    ("spam_edge.readers.pages", "pyarrow"): LAZY,
    ("spam_edge.training.data.readers", "pyarrow"): LAZY,
    ("spam_edge.training.data.hub", "datasets"): LAZY,
    ("spam_edge.training.data.hub", "huggingface_hub"): LAZY,
    ("spam_edge.training.data.hub", "safetensors"): LAZY,
    ("spam_edge.training.data.downloads", "datasets"): LAZY,
    ("spam_edge.training.data.downloads", "huggingface_hub"): LAZY,
    ("spam_edge.training.data.downloads", "requests"): LAZY,
    ("spam_edge.training.data.downloads", "urllib3"): LAZY,
}
"""Exceptions to the table: lazy imports inside a function, or imports for type checkers only."""


def _package_of(module: str) -> str:
    """Return the row that names a module, else the row of the innermost named package that contains it."""
    rows = {named: row for row, package in PACKAGES.items() for named in package.modules.split()}
    parts = module.split(".")
    names = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    row = next((rows[name] for name in names if name in rows), "")
    # The row of `spam_edge` covers only its __init__; other modules need their own rows.
    return "" if row == "version" and module != "spam_edge" else row


def _is_allowed(module: str, imported: str) -> bool:
    package = PACKAGES[_package_of(module)]
    if imported in FILES:
        return _package_of(imported) in {_package_of(module), *package.imports.split()}
    return imported in package.libraries.split()


def test_dependency_table_covers_every_module() -> None:
    rows = {module: _package_of(module) for module in FILES}
    assert {module for module, row in rows.items() if not row} == set()
    assert set(rows.values()) == set(PACKAGES)
    named = [name for package in PACKAGES.values() for name in package.modules.split()]
    assert set(named) <= set(FILES)
    assert len(named) == len(set(named))


@pytest.mark.parametrize("name", PACKAGES)
def test_package_imports_follow_dependency_table(name: str) -> None:
    """Other imports must be listed as exceptions, and be lazy or for type checkers."""
    mine = [edge for edge in EDGES if _package_of(edge[0]) == name]
    forbidden = {edge for edge in mine if not _is_allowed(*edge[:2])}
    assert {edge for edge in forbidden if edge[2] == STATIC or edge[:2] not in EXCEPTIONS} == set()


def test_every_import_exception_is_needed() -> None:
    kinds = {edge: {kind for *other, kind in EDGES if tuple(other) == edge} for edge in EXCEPTIONS}
    assert {edge for edge, kind in EXCEPTIONS.items() if kind not in kinds[edge] or _is_allowed(*edge)} == set()


def test_package_dependencies_have_no_cycle() -> None:
    graph = {name: package.imports.split() for name, package in PACKAGES.items()}
    assert set(TopologicalSorter(graph).static_order()) == set(PACKAGES)  # raises CycleError


def test_module_imports_have_no_cycle() -> None:
    """Includes lazy imports and those for type checkers, except the public names of ``spam_edge``."""
    graph: dict[str, set[str]] = {module: set() for module in FILES}
    for module, imported, _ in EDGES:
        if imported in FILES and module != "spam_edge":
            graph[module].add(imported)
    assert set(TopologicalSorter(graph).static_order()) == set(FILES)  # raises CycleError


def test_command_line_is_imported_only_by_main_module() -> None:
    assert {_package_of(module) for module, imported, _ in EDGES if _package_of(imported) == "cli"} == {"cli", "main"}


def test_package_root_has_few_entries() -> None:
    entries = [path for path in (ROOT / "spam_edge").iterdir() if path.name != "__pycache__"]
    assert len(entries) <= MAX_ENTRIES


@pytest.mark.parametrize("program", ["benchmarks", "evaluation", "gpu", "hub"])
def test_program_folders_contain_no_tests(program: str) -> None:
    assert (ROOT / "tests" / program / "__main__.py").is_file()
    assert list((ROOT / "tests" / program).rglob("test_*.py")) == []


def test_static_lazy_and_typing_imports_are_distinguished() -> None:
    source = (
        "import a.b\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from c import D\n"
        "try:\n    import e\nexcept ImportError:\n    pass\n"
        "class F:\n    import g\n    async def h(self):\n        from i import j\n"
    )
    assert dict(imports_in(source)) == {
        "a.b": STATIC, "typing.TYPE_CHECKING": STATIC, "c.D": TYPING, "e": STATIC, "g": STATIC, "i.j": LAZY,
    }  # fmt: skip
