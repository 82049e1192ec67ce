"""From messages as they were read to three sides that are ready to train on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spam_edge.training import splits
from spam_edge.training.sources import Corpus


@dataclass(frozen=True, slots=True)
class Prepared:
    """A corpus that is ready to train on.

    Attributes:
        corpus: as it was read.
        cleaning: what cleaning did.
        fingerprint: sha256 of the kept texts and labels.
        sides: ``train``, ``validation`` and ``test``.
    """

    corpus: Corpus
    cleaning: splits.Cleaning
    fingerprint: str
    sides: Mapping[str, Sequence[splits.Example]]

    def summary(self) -> str:
        """What became of the rows, in one line."""
        done, sizes = self.cleaning, ", ".join(f"{side} {len(examples)}" for side, examples in self.sides.items())
        return (
            f"{done.read} rows: {done.exact_duplicates} exact duplicates removed, {done.conflicts} dropped from "
            f"{done.conflicting_clusters} clusters with both labels; {done.kept} messages in {done.clusters} "
            f"near-duplicate clusters: {sizes}"
        )


def prepare(corpus: Corpus, seed: int) -> Prepared:
    """Clean and split a corpus.

    Raises:
        InputError: too few messages, or one label only.
    """
    examples, cleaning = splits.clean(corpus.messages)
    return Prepared(corpus, cleaning, splits.fingerprint(examples), splits.split(examples, seed))
