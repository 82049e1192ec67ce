"""The files of a bundle in memory: each is opened once, and the bytes that were verified are the bytes in use."""

import threading
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from typing import TypeVar

from spam_edge.bundle.copies import PrivateCopy
from spam_edge.bundle.locate import Bundle

T = TypeVar("T")


class Contents:
    """Reads files of one bundle, some of them ahead in a thread, concurrently with the import of onnxruntime."""

    def __init__(self, bundle: Bundle, *, verify: bool, ahead: Iterable[str] = (), with_path: bool = True) -> None:
        """Start reading.

        Args:
            bundle: the bundle.
            verify: compare size and sha256 with the manifest.
            ahead: files that are likely to be needed.
            with_path: how these are read; see :meth:`read`.
        """
        self._bundle = bundle
        self._verify = verify
        self._found: dict[str, PrivateCopy | Exception] = {}
        self._made: dict[Hashable, object] = {}
        self._thread: threading.Thread | None = None
        thread = threading.Thread(target=self._run, args=(tuple(ahead), with_path), name="spam-edge-reading")
        with suppress(RuntimeError):  # the system refuses threads: files are read when they are asked for
            thread.start()
            self._thread = thread

    def read(self, name: str, *, with_path: bool = True) -> PrivateCopy:
        """Return a copy of a file, which belongs to the caller.

        Args:
            name: path inside the bundle.
            with_path: that of :meth:`PrivateCopy.of`, if the file was not read ahead.

        Raises:
            BundleIntegrityError: see :meth:`Bundle.copy`.
        """
        self._wait()
        found = self._found.pop(name, None)
        if isinstance(found, Exception):
            raise found
        return self._copy(name, with_path=with_path) if found is None else found

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make`` returned for this key at the first call. A forked process shares it with its parent."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]  # type: ignore[return-value]

    def release(self) -> None:
        """Forget the files that were read ahead and not asked for."""
        self._wait()
        self._found.clear()

    def _wait(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _copy(self, name: str, *, with_path: bool) -> PrivateCopy:
        return self._bundle.copy(name, verify=self._verify, with_path=with_path)

    def _run(self, names: tuple[str, ...], with_path: bool) -> None:
        for name in names:
            try:
                self._found[name] = self._copy(name, with_path=with_path)
            except Exception as error:  # raised by read() in the calling thread
                self._found[name] = error
