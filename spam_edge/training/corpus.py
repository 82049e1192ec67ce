"""From messages as they were read to three sides that are ready to train on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from spam_edge.training import splits
from spam_edge.training.cleaning import Cleaning, clean, require_enough
from spam_edge.training.cleaning_report import describe_cleaning, describe_split
from spam_edge.training.sources import Corpus


@dataclass(frozen=True, slots=True)
class Prepared:
    """A corpus that is ready to train on.

    Attributes:
        corpus: as it was read.
        cleaning: what cleaning did.
        fingerprint: sha256 of the kept texts and labels.
        sides: ``train``, ``validation`` and ``test``.
        report: what cleaning and split did, for people.
    """

    corpus: Corpus
    cleaning: Cleaning
    fingerprint: str
    sides: Mapping[str, Sequence[splits.Example]]
    report: str

    def with_examples(self, added: Mapping[str, Sequence[splits.Example]], *, name: str) -> "Prepared":
        """Return the same corpus under another name, with more examples on each side."""
        sides = {side: [*examples, *added.get(side, ())] for side, examples in self.sides.items()}
        every = [example for side in sides.values() for example in side]
        return replace(self, corpus=replace(self.corpus, name=name), fingerprint=splits.fingerprint(every), sides=sides)

    def summary(self) -> str:
        """What became of the rows, in one line."""
        done = self.cleaning
        return (
            f"{done.read} rows: {done.exact_duplicates} exact duplicates removed, {done.conflicts} dropped from "
            f"{done.conflicting_clusters} clusters with both labels; {done.kept} messages in {done.clusters} "
            f"near-duplicate clusters, {done.clusters_across_corpora} of them in several corpora: {self.sizes()}"
        )

    def sizes(self) -> str:
        """How many messages each side has, in one line."""
        return ", ".join(f"{side} {len(examples)}" for side, examples in self.sides.items())


def prepare(corpus: Corpus, seed: int) -> Prepared:
    """Clean and split a corpus.

    Raises:
        InputError: too few messages, or one label only.
    """
    examples, cleaning = clean(corpus.messages)
    require_enough(examples, cleaning)
    sides = splits.split(examples, seed)
    report = f"{describe_cleaning(corpus.messages, examples, cleaning)}\n{describe_split(sides)}"
    return Prepared(corpus, cleaning, splits.fingerprint(examples), sides, report)


def check(corpus: Corpus, seed: int) -> Iterator[str]:
    """Yield the report of :func:`prepare` in two parts; the first also where the second cannot be made.

    Raises:
        InputError: too few messages, or one label only.
    """
    examples, cleaning = clean(corpus.messages)
    yield describe_cleaning(corpus.messages, examples, cleaning)
    require_enough(examples, cleaning)
    yield "\n" + describe_split(splits.split(examples, seed))
