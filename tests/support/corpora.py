"""A corpus that several modules of tests prepare."""

from functools import cache

from spam_edge.training.data.corpus import Prepared, prepare
from spam_edge.training.data.readers import CorpusOptions
from spam_edge.training.data.sources import PACKAGED, load_corpus


@cache
def packaged() -> Prepared:
    """Return the packaged corpus with the default split, which the caller must not change."""
    return prepare(load_corpus([PACKAGED], CorpusOptions()), seed=42)
