"""Names of the files of a job."""

import os
import re

HOME = ".spam-edge"
LOCK = "lock"
JOB = "job.json"
DONE = "done.json"
PART = "part-"

_LONGEST_STEM = 100
_SEPARATOR = re.compile(r"[/\\\0]")
_RECORD = re.compile(r"part-(\d{5,})\.json")


def part_name(number: int, stem: str, file_format: str) -> str:
    """Return the name of a finished part."""
    return f"{PART}{number:05}-{_SEPARATOR.sub('_', stem[:_LONGEST_STEM])}.{file_format}"


def is_part_name(name: str, number: int) -> bool:
    """Whether a name, as found in a record, is that of a part with this number and of no other file."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return name.startswith(f"{PART}{number:05}-") and not _SEPARATOR.search(name)


def record_name(number: int) -> str:
    """Return the name of the record of a part."""
    return f"part-{number:05}.json"


def record_number(name: str) -> int | None:
    """Return the number of the part whose record has this name, or None for another name."""
    found = _RECORD.fullmatch(name)
    return int(found[1]) if found else None
