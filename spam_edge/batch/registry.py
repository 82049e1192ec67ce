"""Engines by name."""

from spam_edge.batch.cluster import library
from spam_edge.batch.engine import OpenEngine
from spam_edge.batch.local import open_local_engine
from spam_edge.batch.ray import RayEngine
from spam_edge.batch.spark import SparkEngine

_ENGINES: dict[str, tuple[OpenEngine, str | None]] = {
    "local": (open_local_engine, None),
    "ray": (RayEngine, "ray"),
    "spark": (SparkEngine, "pyspark"),
}


def engine_named(name: str) -> OpenEngine:
    """Return what makes an engine: ``local``, ``ray`` or ``spark``.

    Raises:
        ValueError: there is none of this name.
        JobError: its library is not installed.
    """
    if name not in _ENGINES:
        raise ValueError(f"engine must be one of {', '.join(_ENGINES)}, not {name!r}")
    open_engine, module = _ENGINES[name]
    if module is not None:
        library(module, extra=name)
    return open_engine
