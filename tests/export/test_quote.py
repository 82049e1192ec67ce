"""The card quotes an evaluation of the same corpus, and stays a file of a whole bundle."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from export.errors import ExportError
from export.quote import main, quote
from spam_edge.bundle import Bundle


def evaluation_of(bundle: Path, folder: Path, **changes: object) -> Path:
    fingerprint = json.loads((bundle / "manifest.json").read_bytes())["provenance"]["training"]["corpus"]["fingerprint"]
    path = folder / "evaluation.json"
    found = {"corpus": {"fingerprint": fingerprint}, "quote": "### Headline\n\nrecall 0.9 \\1"} | changes
    path.write_text(json.dumps(found), encoding="utf-8")
    return path


def test_the_card_quotes_and_the_bundle_stays_whole(bundle_copy: Path, tmp_path: Path) -> None:
    evaluation = evaluation_of(bundle_copy, tmp_path)
    done = CliRunner().invoke(main, [str(evaluation), "--bundle", str(bundle_copy)])
    assert done.exit_code == 0
    assert "recall 0.9 \\1" in (bundle_copy / "README.md").read_text(encoding="utf-8")
    Bundle.find(bundle_copy).verify()


def test_a_later_evaluation_takes_the_place_of_the_earlier(bundle_copy: Path, tmp_path: Path) -> None:
    for text in ("first figures", "second figures"):
        quote(evaluation_of(bundle_copy, tmp_path, quote=text), Bundle.find(bundle_copy))
    card = (bundle_copy / "README.md").read_text(encoding="utf-8")
    assert "second figures" in card
    assert "first figures" not in card


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"corpus": {"fingerprint": "f" * 64}}, "another corpus"), ({"quote": None, "corpus": None}, "cannot be read")],
)
def test_what_does_not_belong_to_the_bundle_is_refused(
    bundle_copy: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    before = (bundle_copy / "README.md").read_bytes()
    with pytest.raises(ExportError, match=message):
        quote(evaluation_of(bundle_copy, tmp_path, **changes), Bundle.find(bundle_copy))
    assert (bundle_copy / "README.md").read_bytes() == before
