"""Ray Data: a class for ``Dataset.map_batches`` with a pool of actors, each of which opens the model once."""

import os

from spam_edge.integrations import engine
from spam_edge.integrations.columns import ColumnClassifier
from spam_edge.session import RuntimeOptions


class RayClassifier(ColumnClassifier):
    """What each actor of a pool runs; any ``batch_format`` will do.

    The arguments come in ``fn_constructor_kwargs`` and are those of ``ColumnClassifier``. By default an actor has as
    many threads as Ray assigned CPUs to it, at least one. The model is opened when the actor starts.
    """

    def __init__(
        self,
        bundle: str | os.PathLike[str] | None = None,
        *,
        text_column: str = "text",
        prefix: str = "",
        options: RuntimeOptions | None = None,
        digest: str | None = None,
    ) -> None:
        """Open the bundle in this process.

        Raises:
            ImportError: Ray is not installed.
            SpamEdgeError: whatever ``ColumnClassifier`` raises, and what opening the model does.
        """
        super().__init__(bundle, text_column=text_column, prefix=prefix, options=options, digest=digest)
        _ = self.classifier

    @staticmethod
    def default_options() -> RuntimeOptions:
        """Return as many threads as Ray assigned whole cores to the actor that asks; one outside of actors.

        Raises:
            ImportError: Ray is not installed.
        """
        ray = engine("ray", extra="ray")
        context = ray.get_runtime_context() if ray.is_initialized() else None
        if context is None or context.get_actor_id() is None:
            return RuntimeOptions(threads=1)
        return RuntimeOptions(threads=max(1, int(context.get_assigned_resources().get("CPU", 1))))
