"""The process started by :mod:`spam_edge.diagnostics.verify_subprocess`: it verifies a bundle and answers in JSON."""

import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from math import ceil
from pathlib import Path
from typing import Any

from spam_edge.diagnostics.verify_subprocess import FOUND
from spam_edge.errors import ProviderUnavailableError, SpamEdgeError
from spam_edge.options import RuntimeOptions

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_OOM_SCORE = Path("/proc/self/oom_score_adj")
_GRACE = 10
"""Seconds after which the process ends itself if the one that started it has not done so, because it is dead."""


def main() -> None:
    """Verify the bundle of the request in ``sys.argv[2]``."""
    request = json.loads(sys.argv[2])
    _leave_signals_to_the_parent(request["seconds"])
    _send(request, _answer(request))


def _answer(request: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return {"report": _verify(request)}
    except SpamEdgeError as error:
        return {"error": type(error).__name__, "text": str(error)}
    except OSError as error:
        return {"error": SpamEdgeError.__name__, "text": str(error)}
    except BaseException as error:  # a panic of the tokenizers library is no Exception
        return {"fault": f"{type(error).__name__}: {error}" if str(error) else type(error).__name__}


def _verify(request: Mapping[str, Any]) -> dict[str, Any]:
    from spam_edge.bundle.locate import Bundle  # noqa: PLC0415 - in reach of the except clauses above
    from spam_edge.diagnostics.verify import verify_bundle  # noqa: PLC0415

    options = RuntimeOptions(**request["options"])
    _limit(request["memory"], address_space=not _may_use_cuda(options))
    bundle = Bundle.find(request["location"], digest=options.digest)
    _send(request, FOUND)
    return verify_bundle(bundle.path, options).to_dict()


def _send(request: Mapping[str, Any], message: Mapping[str, Any]) -> None:
    """Write a message between what libraries print."""
    content = f"\n{request['token']} {json.dumps(message)}\n".encode()
    while content:
        content = content[os.write(1, content) :]


def _leave_signals_to_the_parent(seconds: float) -> None:
    if os.name == "posix":
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to both
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, ceil(seconds) + _GRACE)


def _limit(memory: int, *, address_space: bool) -> None:
    """Limit the memory; if there is too little all the same, let the system kill this process first."""
    with suppress(OSError):
        _OOM_SCORE.write_text("1000", encoding="ascii")
    if resource is None:
        return
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, memory)  # of copies in memory files, whose pages are in no address space
    if address_space:
        _lower(resource.RLIMIT_AS, memory)


def _lower(limit: int, value: int) -> None:
    _, most = resource.getrlimit(limit)
    value = value if most == resource.RLIM_INFINITY else min(value, most)
    with suppress(OSError, ValueError):  # macOS refuses some
        resource.setrlimit(limit, (value, value))


def _may_use_cuda(options: RuntimeOptions) -> bool:
    from spam_edge.runtime.providers import may_use_cuda  # noqa: PLC0415 - imports numpy

    with suppress(ProviderUnavailableError):  # raised again where the session is opened
        return options.device != "cpu" and may_use_cuda()
    return False
