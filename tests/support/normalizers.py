"""A normaliser and its parts, with the tables of the tiny bundle and a small vocabulary."""

from dataclasses import replace
from functools import cache
from pathlib import Path

from spam_edge.text.normalization import NORMALIZER_NAME, Normalizer
from spam_edge.text.normalization.folding import Folder
from spam_edge.text.normalization.joining import Joiner
from spam_edge.text.normalization.tables import Tables

PATH = Path(__file__).parents[1] / "data" / "tiny_bundle" / NORMALIZER_NAME
TABLES = Tables.read(PATH)
_WORDS = (
    "free prize claim money payment today sexy call now the goodnight love viagra cash all illegal too hello "
    "account paypal bank login been email bail loam loom text see u place "
    "content congratulations reply service won time gift quick telegram whatsapp"
)
WORDS = frozenset(_WORDS.split())
FOLDER = Folder(TABLES, WORDS.__contains__)
SEASONED = Folder(replace(TABLES, foreign=()), WORDS.__contains__)
"""Folder with tables of a corpus that has messages in all scripts."""
JOINER = Joiner(WORDS.__contains__)
NORMALIZER = Normalizer(lambda: TABLES, WORDS.__contains__)


@cache
def new_tables() -> Tables:
    """Return tables as training builds them today, without messages; those of the tiny bundle are older."""
    from spam_edge.training.data.normalizer_tables import make_tables

    return make_tables()


NEW_NORMALIZER = Normalizer(new_tables, WORDS.__contains__)
"""Normaliser with such tables."""
