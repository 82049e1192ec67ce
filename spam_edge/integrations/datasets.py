"""Hugging Face datasets: a callable for ``Dataset.map(..., batched=True)``."""

from collections.abc import Mapping
from typing import Any

from spam_edge.integrations import engine
from spam_edge.integrations.columns import ColumnClassifier
from spam_edge.session import RuntimeOptions


class DatasetsClassifier(ColumnClassifier):
    """Adds three columns in ``dataset.map(classify, batched=True, num_proc=n, features=classify.features(dataset))``.

    ``map`` keeps its results under a hash of this object, the digest of the bundle included: another model at the same
    path is another key, and the same one finds what was worked out before.
    """

    @staticmethod
    def default_options() -> RuntimeOptions:
        """Return one thread: there is a worker process for each core."""
        return RuntimeOptions(threads=1)

    def __call__(self, batch: Any) -> Any:
        """Return the columns to add; of a dataset in a format of tables, the whole table. See the base class."""
        if not isinstance(batch, Mapping):
            return super().__call__(batch)
        self.check(list(batch))
        # The columns that stay are not touched: to read an image means to decode it.
        return dict(zip(self.added, self.verdicts(batch[self.text_column]).lists(), strict=True))

    def features(self, dataset: Any) -> Any:
        """Return the ``Features`` of a dataset with those of the added columns, which a batch of nulls does not show.

        Raises:
            ImportError: datasets is not installed.
            InputError: there is no column of texts, or already one that is to be added.
        """
        datasets = engine("datasets", extra="train")
        self.check(dataset.column_names)
        kinds = (datasets.Value(kind) for kind in ("string", "float32", "bool"))
        return datasets.Features({**dataset.features, **dict(zip(self.added, kinds, strict=True))})
