"""Damaged manifests: the package either works or raises one of its own errors."""

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from spam_edge import ManifestError, RuntimeOptions, SpamClassifier, SpamEdgeError
from spam_edge.bundle.locate import Bundle
from spam_edge.bundle.manifest import MANIFEST_NAME, Manifest
from spam_edge.cli.notes import notes
from spam_edge.cli.tables import info_lines
from spam_edge.decision.intervals import counted
from tests.conftest import ROOT
from tests.support.controls import CONTROLS
from tests.support.mutations import contents, mutated, replaced

TINY = ROOT / "tests" / "data" / "tiny_bundle"
RATE = counted(3, 60)
EXAMPLES = 50
"""Kept low because each example opens a model."""


def complete_manifest() -> dict[str, Any]:
    """Return the manifest of the tiny bundle with every metric that a bundle can have."""
    data: dict[str, Any] = json.loads((TINY / MANIFEST_NAME).read_text(encoding="utf-8"))
    data["metrics"] |= {"controls": {"N1": RATE | {"title": "emoji"}}, "today": {"modes": data["metrics"]["modes"]}}
    data["provenance"] = {"export": {"git_commit": "x"}}
    return data


FULL = complete_manifest()


def use(bundle: Path) -> None:
    """Call everything that reads the manifest."""
    located = Bundle.find(bundle)
    classifier = SpamClassifier(located, RuntimeOptions(device="cpu", threads=1))
    classifier.classify_batch(["WIN a prize", "hi " * 300, ""])
    description = classifier.describe()
    json.dumps(description, allow_nan=False)
    "\n".join(info_lines(description))
    for mode in located.manifest.thresholds:
        list(notes(classifier.operating_point, located.manifest, mode=mode, max_fpr=0.1))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(TINY, tmp_path_factory.mktemp("damaged") / "bundle"))


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(contents(FULL))
@example(json.dumps(FULL).encode())
@example(json.dumps(FULL | {"max_length": 600}).encode())
@example(json.dumps(FULL | {"pad_token_id": 2**40}).encode())
@example(json.dumps(FULL | {"output": "other"}).encode())
@example(json.dumps(FULL | {"inputs": ["attention_mask", "attention_mask"]}).encode())
def test_damaged_manifest_raises_only_package_errors(bundle: Path, content: bytes) -> None:
    (bundle / MANIFEST_NAME).write_bytes(content)
    with suppress(SpamEdgeError):
        use(bundle)


@settings(max_examples=300)
@given(mutated(FULL))
@example(replaced(FULL, ("metrics", "modes", "balanced", "recall"), {"value": 1.0}))
@example(replaced(FULL, ("metrics", "controls", "N1", "title"), None))
@example(replaced(FULL, ("provenance", "export", "git_commit"), "\ud800"))
@example(replaced(FULL, ("provenance", "export", "git_commit"), float("nan")))
def test_mutated_manifest_is_refused_or_survives_round_trip(data: Any) -> None:
    try:
        manifest = Manifest.parse(json.dumps(data).encode(), Path(MANIFEST_NAME))
    except ManifestError as error:
        assert not CONTROLS.search(str(error))
        assert MANIFEST_NAME in str(error)
        return
    assert Manifest.from_dict(json.loads(manifest.to_json())) == manifest
    manifest.to_json().encode()


@given(st.binary() | st.text().map(str.encode))
def test_arbitrary_bytes_are_refused_as_manifest(content: bytes) -> None:
    with pytest.raises(ManifestError, match="export the bundle again"):
        Manifest.parse(content, Path(MANIFEST_NAME))
