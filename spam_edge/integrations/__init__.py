"""The classifier inside batch engines: one module per engine, none of which needs any other.

Each imports its engine on first use and says what to install where it is missing.
"""

from importlib import import_module
from types import ModuleType


def engine(module: str, *, extra: str) -> ModuleType:
    """Import a module of an engine.

    Raises:
        ImportError: it is not installed; the message names the extra that brings it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise ImportError(f"{name} cannot be imported ({error}); pip install 'spam-edge[{extra}]'") from error
