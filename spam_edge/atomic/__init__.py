"""Atomic writes of files and directories.

Data is written to a partial, see :mod:`spam_edge.atomic.partials`, and renamed at the end. An interrupted write leaves
the previous version in place.
"""

from spam_edge.atomic.directories import atomic_directory, is_replaceable, replace_directory, restore_directory
from spam_edge.atomic.files import atomic_bytes, atomic_file
from spam_edge.atomic.partials import remove_dead, remove_partials, written_name

__all__ = [
    "atomic_bytes",
    "atomic_directory",
    "atomic_file",
    "is_replaceable",
    "remove_dead",
    "remove_partials",
    "replace_directory",
    "restore_directory",
    "written_name",
]
