"""Preparation of a corpus for training: cleaning, split and report."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from spam_edge.training.data import splits
from spam_edge.training.data.cleaning import Cleaning, clean, require_enough
from spam_edge.training.data.cleaning_report import describe_cleaning, describe_split
from spam_edge.training.data.sources import Corpus
from spam_edge.training.data.splits import Example


@dataclass(frozen=True, slots=True)
class Prepared:
    """A cleaned and split corpus.

    Attributes:
        corpus: the corpus as read.
        cleaning: counts of the cleaning step.
        fingerprint: sha256 of the kept texts and labels.
        splits: examples of ``train``, ``validation`` and ``test``.
        report: plain-text report on cleaning and split.
    """

    corpus: Corpus
    cleaning: Cleaning
    fingerprint: str
    splits: Mapping[str, Sequence[Example]]
    report: str

    def with_examples(self, added: Mapping[str, Sequence[Example]], *, name: str) -> "Prepared":
        """Return a copy under another name with examples added to each split."""
        parts = {split: [*examples, *added.get(split, ())] for split, examples in self.splits.items()}
        every = [example for split in parts.values() for example in split]
        return replace(
            self, corpus=replace(self.corpus, name=name), fingerprint=splits.fingerprint(every), splits=parts
        )

    def summary(self) -> str:
        """Return the counts of cleaning and split in one line."""
        done = self.cleaning
        return (
            f"{done.read} rows: {done.exact_duplicates} exact duplicates removed, {done.conflicts} dropped from "
            f"{done.conflicting_clusters} clusters with both labels; {done.kept} messages in {done.clusters} "
            f"near-duplicate clusters, {done.clusters_across_corpora} of them across corpora: {self.sizes()}"
        )

    def sizes(self) -> str:
        """Return the number of messages of each split in one line."""
        return ", ".join(f"{split} {len(examples)}" for split, examples in self.splits.items())


def prepare(corpus: Corpus, seed: int) -> Prepared:
    """Clean and split a corpus.

    Raises:
        InputError: too few messages or clusters are left, or only one label.
    """
    examples, cleaning = clean(corpus.messages)
    require_enough(examples, cleaning)
    parts = splits.split(examples, seed)
    report = f"{describe_cleaning(corpus.messages, examples, cleaning)}\n{describe_split(parts)}"
    return Prepared(corpus, cleaning, splits.fingerprint(examples), parts, report)


def check(corpus: Corpus, seed: int) -> Iterator[str]:
    """Yield the report of :func:`prepare` in two parts, cleaning before the split can fail.

    Raises:
        InputError: too few messages or clusters are left, or only one label. Raised after the first part.
    """
    examples, cleaning = clean(corpus.messages)
    yield describe_cleaning(corpus.messages, examples, cleaning)
    require_enough(examples, cleaning)
    yield "\n" + describe_split(splits.split(examples, seed))
