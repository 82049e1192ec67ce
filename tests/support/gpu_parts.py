"""Parts for the tests of ``tests.gpu.parts``: they run in processes of their own."""

import subprocess
import sys
import time

from tests.gpu.parts import Save
from tests.gpu.settings import Settings, SkippedError


def succeed(settings: Settings, save: Save, word: str) -> None:
    """Save figures twice."""
    save(word=word, device=settings.device)
    save(began=settings.began)


def fail(settings: Settings, save: Save) -> None:
    """Save a figure, print a line and fail."""
    save(kept=1)
    print("a line of the log")
    raise ValueError("nothing to divide")


def hang(settings: Settings, save: Save) -> None:
    """Save a figure and hang, as does a process that it starts, which writes down that it still runs."""
    beats = settings.work / "beats"
    code = "import sys, time\nwhile True: open(sys.argv[1], 'a').write('.'); time.sleep(0.05)"
    subprocess.Popen([sys.executable, "-c", code, str(beats)])
    while not beats.exists():
        time.sleep(0.01)
    save(kept=1)
    time.sleep(3600)


def skip(settings: Settings, save: Save) -> None:
    """Find that something is missing."""
    raise SkippedError("no bundle")
