"""Ray Data: a class for ``Dataset.map_batches`` with an actor pool; each actor opens the model once."""

import os

from spam_edge.extras import import_extra
from spam_edge.integrations.columns import ColumnClassifier
from spam_edge.options import RuntimeOptions


class RayClassifier(ColumnClassifier):
    """The actor class; supports every ``batch_format``.

    ``fn_constructor_kwargs`` takes the arguments of ``ColumnClassifier``. By default an actor uses one thread per CPU
    that Ray assigned to it, at least one. The model is opened when the actor starts.
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
            ExtraError: Ray is not installed.
            SpamEdgeError: as :class:`ColumnClassifier`, and if the model cannot be opened.
        """
        super().__init__(bundle, text_column=text_column, prefix=prefix, options=options, digest=digest)
        _ = self.classifier

    @staticmethod
    def default_options() -> RuntimeOptions:
        """Return one thread per whole CPU assigned to the current actor, at least one; one outside of actors.

        Raises:
            ExtraError: Ray is not installed.
        """
        ray = import_extra("ray", extra="ray")
        context = ray.get_runtime_context() if ray.is_initialized() else None
        if context is None or context.get_actor_id() is None:
            return RuntimeOptions(threads=1)
        return RuntimeOptions(threads=max(1, int(context.get_assigned_resources().get("CPU", 1))))
