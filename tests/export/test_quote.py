"""The card quotes an evaluation of the same corpus, and the bundle still verifies."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from export.errors import ExportError
from export.quote import quote
from spam_edge.bundle.locate import Bundle


def evaluation_of(bundle: Path, folder: Path, **changes: object) -> Path:
    training = json.loads((bundle / "manifest.json").read_bytes())["provenance"]["training"]
    path = folder / "evaluation.json"
    evaluation = {
        "corpus": {"fingerprint": training["corpus"]["fingerprint"]},
        "settings": training["settings"] | {"seed": 7, "resamples": 20},
        "quick": False,
        "quote": "### Headline\n\nrecall 0.9 \\1",
    } | changes
    path.write_text(json.dumps(evaluation), encoding="utf-8")
    return path


def test_command_quotes_evaluation_in_card_and_bundle_verifies(bundle_copy: Path, tmp_path: Path) -> None:
    evaluation = evaluation_of(bundle_copy, tmp_path)
    command = [sys.executable, "-m", "export.quote", evaluation, "--bundle", bundle_copy]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "README.md quotes" in done.stderr
    assert "recall 0.9 \\1" in (bundle_copy / "README.md").read_text(encoding="utf-8")
    Bundle.find(bundle_copy).verify()


def test_later_evaluation_replaces_earlier_quote(bundle_copy: Path, tmp_path: Path) -> None:
    for text in ("first figures", "second figures"):
        quote(evaluation_of(bundle_copy, tmp_path, quote=text), Bundle.find(bundle_copy))
    card = (bundle_copy / "README.md").read_text(encoding="utf-8")
    assert "second figures" in card
    assert "first figures" not in card


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"corpus": {"fingerprint": "f" * 64}}, "another corpus"),
        ({"settings": {"max_length": 500}}, "max_length 500 instead of 32"),
        ({"quote": None, "corpus": None}, "cannot be read"),
    ],
)
def test_evaluation_of_different_corpus_or_settings_is_refused(
    bundle_copy: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    before = (bundle_copy / "README.md").read_bytes()
    with pytest.raises(ExportError, match=message):
        quote(evaluation_of(bundle_copy, tmp_path, **changes), Bundle.find(bundle_copy))
    assert (bundle_copy / "README.md").read_bytes() == before


def test_quick_evaluation_is_not_quoted(bundle_copy: Path, tmp_path: Path) -> None:
    before = (bundle_copy / "README.md").read_bytes()
    assert not quote(evaluation_of(bundle_copy, tmp_path, quick=True), Bundle.find(bundle_copy))
    assert (bundle_copy / "README.md").read_bytes() == before
