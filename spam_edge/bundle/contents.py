"""The files of a bundle in memory: each is opened once, and the bytes that were verified are the bytes in use."""

import threading
from collections.abc import Iterable
from contextlib import suppress

from spam_edge.bundle.copies import PrivateCopy
from spam_edge.bundle.locate import Bundle


class Contents:
    """Reads files of one bundle, some of them ahead in a thread, concurrently with the import of onnxruntime.

    A copy that is kept is not read again: a forked process shares that of its parent.
    """

    def __init__(self, bundle: Bundle, *, verify: bool, ahead: Iterable[str] = (), keep: bool = False) -> None:
        """Start reading.

        Args:
            bundle: the bundle.
            verify: compare size and sha256 with the manifest.
            ahead: files that are likely to be needed.
            keep: how these are read; see :meth:`read`.
        """
        self._bundle = bundle
        self._verify = verify
        self._found: dict[str, PrivateCopy | Exception] = {}
        self._kept: set[str] = set()
        self._thread: threading.Thread | None = None
        thread = threading.Thread(target=self._run, args=(tuple(ahead), keep), name="spam-edge-reading")
        with suppress(RuntimeError):  # the system refuses threads: files are read when they are asked for
            thread.start()
            self._thread = thread

    def read(self, name: str, *, keep: bool = False) -> PrivateCopy:
        """Return a copy of a file.

        Args:
            name: path inside the bundle.
            keep: hold the copy for the next call. Others are meant to be opened once, by the path of the copy.

        Raises:
            BundleIntegrityError: see :meth:`Bundle.copy`.
        """
        self._wait()
        found = self._found.pop(name, None)
        if isinstance(found, Exception):
            raise found
        copy = self._copy(name, keep=keep) if found is None else found
        if keep or name in self._kept:
            self._kept.add(name)
            self._found[name] = copy
        return copy

    def release(self) -> None:
        """Forget everything that is not kept."""
        self._wait()
        self._found = {name: found for name, found in self._found.items() if name in self._kept}

    def _wait(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _copy(self, name: str, *, keep: bool) -> PrivateCopy:
        return self._bundle.copy(name, verify=self._verify, with_path=not keep)

    def _run(self, names: tuple[str, ...], keep: bool) -> None:
        for name in names:
            try:
                self._found[name] = self._copy(name, keep=keep)
            except Exception as error:  # raised by read() in the calling thread
                self._found[name] = error
