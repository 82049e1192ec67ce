"""Hugging Face datasets: a callable for ``Dataset.map(..., batched=True)``."""

from collections.abc import Mapping
from typing import Any

from spam_edge.extras import import_extra
from spam_edge.integrations.columns import ColumnClassifier
from spam_edge.options import RuntimeOptions


class DatasetsClassifier(ColumnClassifier):
    """Adds three columns with ``dataset.map(classify, batched=True, num_proc=n, features=classify.features(dataset))``.

    ``map`` caches its results under a hash of this object, which includes the digest of the bundle. A replaced bundle
    invalidates the cache.
    """

    @staticmethod
    def default_options() -> RuntimeOptions:
        """Return one thread, because each core has its own worker process."""
        return RuntimeOptions(threads=1)

    def __call__(self, batch: Any) -> Any:
        """Return the added columns, or the whole table if the dataset format is a table. See the base class."""
        if not isinstance(batch, Mapping):
            return super().__call__(batch)
        self.check(list(batch))
        # Other columns are not accessed, because that would decode images.
        return dict(zip(self.added, self.verdicts(batch[self.text_column]).lists(), strict=True))

    def features(self, dataset: Any) -> Any:
        """Return the ``Features`` of a dataset and the added columns; ``map`` cannot infer them from a batch of nulls.

        Raises:
            ExtraError: datasets is not installed.
            InputError: the text column is missing, or an added column already exists.
        """
        datasets = import_extra("datasets", extra="train")
        self.check(dataset.column_names)
        kinds = (datasets.Value(kind) for kind in ("string", "float32", "bool"))
        return datasets.Features({**dataset.features, **dict(zip(self.added, kinds, strict=True))})
