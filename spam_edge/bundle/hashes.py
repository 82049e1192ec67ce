"""File checksums."""

import hashlib
import io
from pathlib import Path

_PIECE = 2**22  # bytes per read: hashing reacquires the GIL after each one


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file as 64 hex digits."""
    with path.open("rb", buffering=0) as stream:
        return sha256_of_stream(stream)


def sha256_of_stream(stream: io.RawIOBase) -> str:
    """Return the sha256 of the rest of a unbuffered stream as 64 hex digits."""
    digest, piece = hashlib.sha256(), memoryview(bytearray(_PIECE))
    while count := stream.readinto(piece):
        digest.update(piece[:count])
    return digest.hexdigest()
