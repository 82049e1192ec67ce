"""Lazy imports of optional dependencies, and the telemetry of onnxruntime."""

import os
from importlib import import_module
from types import ModuleType

from spam_edge.errors import ExtraError


def import_extra(module: str, *, extra: str) -> ModuleType:
    """Import a module of an optional dependency.

    Raises:
        ExtraError: the module is not installed; the message names the extra that installs it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise ExtraError(f"{name} cannot be imported ({error}); pip install 'spam-edge[{extra}]'") from error


def disable_telemetry() -> None:
    """Disable the telemetry of onnxruntime, before its import and whatever the environment says.

    Official wheels report usage from 1.29 on, and leave the identity of the machine in the home folder. Messages are
    personal data.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
