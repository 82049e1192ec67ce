"""Fill in the places of a model card that are measured after the export; the hashes of the manifest follow."""

from collections.abc import Mapping
from dataclasses import replace

from export.errors import ExportError
from spam_edge.atomic import atomic_file
from spam_edge.bundle import Bundle, sha256_of
from spam_edge.manifest import MANIFEST_NAME, BundleFile

CARD = "README.md"


def require_place(bundle: Bundle, place: str) -> None:
    """Make sure, before anything is measured, that :func:`amend` has something to replace; it raises the same."""
    _around(bundle, place)


def amend(bundle: Bundle, place: str, text: str, *, files: Mapping[str, str] | None = None) -> None:
    """Replace what stands at a place of the card.

    Args:
        bundle: a finished bundle.
        place: its name: the text stands between ``<!-- name -->`` and ``<!-- end of name -->``.
        text: Markdown.
        files: other files of the bundle to replace, by their names.

    Raises:
        ExportError: the card has no such place.
    """
    before, after = _around(bundle, place)
    written = {CARD: f"{before}\n{text.strip()}\n{after}", **(files or {})}
    for name, content in written.items():
        with atomic_file(bundle.file(name)) as stream:
            stream.write(content)
    hashes = {name: BundleFile(sha256_of(path := bundle.file(name)), path.stat().st_size) for name in written}
    manifest = replace(bundle.manifest, files={**bundle.manifest.files, **hashes})
    with atomic_file(bundle.file(MANIFEST_NAME)) as stream:
        stream.write(manifest.to_json())


def _around(bundle: Bundle, place: str) -> tuple[str, str]:
    """Return the card up to a place and from it on, marks included."""
    begin, end = f"<!-- {place} -->\n", f"\n<!-- end of {place} -->"
    card = bundle.file(CARD).read_text(encoding="utf-8")
    before, found, rest = card.partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise ExportError(f"{bundle.file(CARD)} has no place for the {place}; export the bundle again")
    return before + begin, end + after
