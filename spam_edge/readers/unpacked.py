"""A bound on what a compressed file or a file with dictionaries unpacks to.

A thousand bytes may unpack to gigabytes of messages, which a job would read for days and write to the disk.
"""

from spam_edge.errors import InputError

UNPACKED_BYTES = 2**30
UNPACKED_TIMES = 1_000
"""A file may unpack to so many bytes, or to so many times its size if that is more."""


class Unpacked:
    """Counts the bytes that a file unpacks to."""

    def __init__(self, name: str, size: int) -> None:
        """Begin with the name of a file in messages and its size in bytes."""
        self._name = name
        self._most = max(UNPACKED_BYTES, UNPACKED_TIMES * size)
        self._count = 0

    def add(self, count: int) -> None:
        """Count bytes.

        Raises:
            InputError: the file unpacks to too many.
        """
        self._count += count
        if self._count > self._most:
            raise InputError(
                f"{self._name} unpacks to more than {self._most:,} bytes, which is too much for its size; if you trust "
                "it, unpack it into a CSV file first"
            )
