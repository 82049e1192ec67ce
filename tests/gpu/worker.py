"""The process of one part; see :func:`tests.gpu.parts.run_part`, which starts it."""

import json
import sys
from pathlib import Path

from tests.gpu.parts import work
from tests.gpu.settings import Settings

if __name__ == "__main__":
    place, arguments, settings, result = sys.argv[1:]
    work(place, json.loads(arguments), Settings.from_json(settings), Path(result))
