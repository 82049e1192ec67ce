"""A fake Hub on 127.0.0.1 that serves folders as repositories and injects faults.

It implements the endpoints that ``huggingface_hub`` and ``datasets`` use: information, trees and paths of a
repository, and files with commit, ETag, size and byte ranges. As on the real Hub, the legacy short name of a model
redirects to its full name, the Hub serves small files itself, and it redirects requests for large ones.
"""

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub.repository import File, Repository

_API = re.compile(r"/api/(models|datasets)/(.+?)(?:/(revision|tree|paths-info)/([^/]+)/?(.*))?")
_FILE = re.compile(r"/(datasets/)?(.+?)/resolve/([^/]+)/(.+)")
_LARGE = re.compile(r"/large/([0-9a-f]{64})")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_CHUNK = 2**16


@dataclass
class Fault:
    """An injected fault.

    Attributes:
        on: regular expression that must match all of ``METHOD /path``.
        status: HTTP status to answer with; 0 answers normally.
        cut: number of body bytes to send before the connection breaks; None sends all.
        stall: keep the connection open, until the server stops, instead of breaking it.
        after: number of matching requests to answer normally first.
        times: number of matching requests to fail; None fails all.
    """

    on: str
    status: int = 0
    cut: int | None = None
    stall: bool = False
    after: int = 0
    times: int | None = None

    def strikes(self, request: str) -> bool:
        """Return whether the fault applies to a request, and count the request."""
        if self.times == 0 or not re.fullmatch(self.on, request):
            return False
        if self.after:
            self.after -= 1
            return False
        if self.times:
            self.times -= 1
        return True


class FakeHub:
    """A running fake Hub, see :func:`serve`.

    Attributes:
        url: address for ``HF_ENDPOINT``.
        asked: all requests so far, as ``METHOD /path``, followed by `` bytes=…`` for range requests.
        faults: injected faults; may be extended while the server runs.
        stalled: set when a request stalls, see :class:`Fault`.
    """

    def __init__(self, repositories: Iterable[Repository], url: str, faults: Iterable[Fault]) -> None:
        self.url = url
        self.asked: list[str] = []
        self.faults = list(faults)
        self.stalled = threading.Event()
        self.closed = threading.Event()
        self._lock = threading.Lock()
        self._repositories = {(found.kind, name): found for found in repositories for name in (found.name, found.short)}
        self._large = {file.sha256: file for found in self._repositories.values() for file in found.files.values()}

    def repository(self, kind: str, name: str) -> Repository | None:
        """Find a repository by its name or its short name."""
        return self._repositories.get((kind, name))

    def large(self, sha256: str) -> File | None:
        """Find an LFS file by its hash."""
        return self._large.get(sha256)

    def begin(self, request: str, byte_range: str) -> Fault | None:
        """Record a request and return the fault that applies to it."""
        with self._lock:
            self.asked.append(f"{request} {byte_range}".rstrip())
            return next((fault for fault in self.faults if fault.strikes(request)), None)


@contextmanager
def serve(*repositories: Repository, faults: Iterable[Fault] = ()) -> Iterator[FakeHub]:
    """Serve repositories on a free port of 127.0.0.1 until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True  # open client connections must not block shutdown
    hub = FakeHub(repositories, f"http://127.0.0.1:{server.server_port}", faults)
    server.hub = hub  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        hub.closed.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Suppress the request log; the requests are in ``asked``."""

    def _answer(self) -> None:
        self._hub: FakeHub = self.server.hub  # type: ignore[attr-defined]
        self._body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        address = urlsplit(self.path)
        path = unquote(address.path)
        self._fault = self._hub.begin(f"{self.command} {path}", self.headers.get("Range", ""))
        if self._fault and self._fault.status:
            self._send(self._fault.status, b"{}")
            return
        routes: tuple[tuple[re.Pattern[str], Callable[..., None]], ...] = (
            (_API, self._api), (_FILE, self._file), (_LARGE, self._large),
        )  # fmt: skip
        for pattern, method in routes:
            if match := pattern.fullmatch(path):
                method(*match.groups())
                return
        self._missing("EntryNotFound")

    def _api(self, kind: str, name: str, what: str | None, revision: str | None, path: str | None) -> None:
        found = self._find(kind, name, revision or "main")
        if found is None:
            return
        if what == "tree":
            query = parse_qs(urlsplit(self.path).query)
            entries = found.tree(
                (path or "").rstrip("/"), recursive=query.get("recursive", [""])[0].lower() in {"1", "true"}
            )
            if entries or not path:
                self._json(entries)
            else:
                self._missing("EntryNotFound")
        elif what == "paths-info":
            is_json = "json" in self.headers.get("Content-Type", "")
            self._json(found.paths((json.loads(self._body) if is_json else parse_qs(self._body))["paths"]))
        else:
            self._json(found.describe())

    def _file(self, kind: str | None, name: str, revision: str, path: str) -> None:
        found = self._find("datasets" if kind else "models", name, revision)
        if found is None:
            return
        commit = {"X-Repo-Commit": found.commit}
        file = found.files.get(path)
        if file is None:
            self._missing("EntryNotFound", commit)
        elif file.sha256:
            # The real Hub also offers a Xet download; this one does not implement it.
            offer = f'<{self._hub.url}/api/xet>; rel="xet-auth"'
            linked = {"X-Linked-Size": str(file.size), "X-Linked-ETag": f'"{file.etag}"'}
            linked |= {"X-Xet-Hash": file.sha256, "Link": offer}
            self._send(302, b"", {**commit, **linked, "Location": f"{self._hub.url}/large/{file.sha256}"})
        else:
            self._content(file, commit)

    def _large(self, sha256: str) -> None:
        file = self._hub.large(sha256)
        if file is None:
            self._missing("EntryNotFound")
        else:
            self._content(file, {})

    def _find(self, kind: str, name: str, revision: str) -> Repository | None:
        found = self._hub.repository(kind, name)
        if found is None:
            self._missing("RepoNotFound")
        elif revision not in {"main", found.commit}:
            self._missing("RevisionNotFound")
        elif name != found.name:
            self._send(307, b"", {"Location": self.path.replace(name, found.name, 1)})
        else:
            return found
        return None

    def _content(self, file: File, headers: dict[str, str]) -> None:
        begin, end, status = 0, file.size, 200
        if match := _RANGE.fullmatch(self.headers.get("Range", "")):
            begin, end, status = int(match[1]), min(file.size, int(match[2] or file.size) + 1), 206
            headers["Content-Range"] = f"bytes {begin}-{end - 1}/{file.size}"
        with file.source.open("rb") as stream:
            stream.seek(begin)
            chunks = iter(lambda: stream.read(min(_CHUNK, end - stream.tell())), b"")
            self._stream(status, chunks, end - begin, {**headers, "ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"})

    def _stream(self, status: int, chunks: Iterable[bytes], size: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(size)}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        left = size if self._fault is None or self._fault.cut is None else min(size, self._fault.cut)
        try:
            for chunk in chunks:
                self.wfile.write(chunk[:left])
                left -= len(chunk[:left])
                if not left:
                    break
            if self._fault:
                self._break_off(self._fault)
        except ConnectionError:  # some tests kill the client
            self.close_connection = True

    def _break_off(self, fault: Fault) -> None:
        self.wfile.flush()
        if fault.stall:
            self._hub.stalled.set()
            self._hub.closed.wait()
        self.close_connection = True

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _missing(self, code: str, headers: dict[str, str] | None = None) -> None:
        self._send(404, b"{}", {"X-Error-Code": code, "X-Error-Message": "not found", **(headers or {})})

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._stream(status, [body], len(body), headers or {})
