"""Registry of engines by name."""

from spam_edge.batch.backends.base import OpenEngine
from spam_edge.batch.backends.cluster import library
from spam_edge.batch.backends.local import open_local_engine
from spam_edge.batch.backends.ray import RayEngine
from spam_edge.batch.backends.spark import SparkEngine
from spam_edge.errors import OptionError

_ENGINES: dict[str, tuple[OpenEngine, str | None]] = {
    "local": (open_local_engine, None),
    "ray": (RayEngine, "ray"),
    "spark": (SparkEngine, "pyspark"),
}


def engine_named(name: str) -> OpenEngine:
    """Return the factory of an engine: ``local``, ``ray`` or ``spark``.

    Raises:
        OptionError: the name is unknown.
        JobError: the engine's library is not installed.
    """
    if name not in _ENGINES:
        raise OptionError(f"engine must be one of {', '.join(_ENGINES)}, not {name!r}")
    open_engine, module = _ENGINES[name]
    if module is not None:
        library(module, extra=name)
    return open_engine
