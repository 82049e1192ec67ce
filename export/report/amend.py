"""Replace marked sections of a model card after the export, and update the hashes of the manifest."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from export.errors import ExportError
from spam_edge.atomic import atomic_file
from spam_edge.bundle.hashes import sha256_of
from spam_edge.bundle.locate import Bundle
from spam_edge.bundle.manifest import MANIFEST_NAME, BundleFile

CARD = "README.md"


def require_place(bundle: Bundle, place: str) -> None:
    """Fail before anything is measured if the card lacks the section; raises as :func:`amend`."""
    _around(bundle, place)


def amend(
    bundle: Bundle,
    place: str,
    text: str,
    *,
    files: Mapping[str, str] | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> None:
    """Replace a marked section of the card.

    Args:
        bundle: a finished bundle.
        place: name of the section, which stands between ``<!-- name -->`` and ``<!-- end of name -->``.
        text: Markdown.
        files: contents of other bundle files to replace, by name.
        metrics: figures to add to the manifest, by name.

    Raises:
        ExportError: the card has no such section.
    """
    before, after = _around(bundle, place)
    written = {CARD: f"{before}\n{text.strip()}\n{after}", **(files or {})}
    for name, content in written.items():
        with atomic_file(bundle.file(name)) as stream:
            stream.write(content)
    hashes = {name: BundleFile(sha256_of(path := bundle.file(name)), path.stat().st_size) for name in written}
    figures = {**bundle.manifest.metrics, **(metrics or {})}
    manifest = replace(bundle.manifest, files={**bundle.manifest.files, **hashes}, metrics=figures)
    with atomic_file(bundle.file(MANIFEST_NAME)) as stream:
        stream.write(manifest.to_json())


def _around(bundle: Bundle, place: str) -> tuple[str, str]:
    """Return the card before and after a section, marks included."""
    begin, end = f"<!-- {place} -->\n", f"\n<!-- end of {place} -->"
    card = bundle.file(CARD).read_text(encoding="utf-8")
    before, found, rest = card.partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise ExportError(f"{bundle.file(CARD)} has no section {place!r}; export the bundle again")
    return before + begin, end + after
