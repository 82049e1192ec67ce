"""Let a program, and every process it starts, draw from the templates in the file that ``FEW_NOTICES`` names.

Python imports this module at start-up if its folder is on PYTHONPATH.
"""

import os
from pathlib import Path

from spam_edge.training.data.notices import templates

templates.load_templates.__defaults__ = (Path(os.environ["FEW_NOTICES"]),)
