"""A forking web server: `python -m tests.support.web BUNDLE prefork|per-request`; it exits at the end of its input.

The parent opens the model, classifies a message and prints its port. With ``prefork``, three children serve requests,
each with a thread per request; with ``per-request``, each request is served by a new child.
"""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ForkingMixIn, ThreadingMixIn
from threading import Thread

from spam_edge import RuntimeOptions, SpamClassifier
from tests.support import workers  # noqa: F401 - counts opened models

CHILDREN = 3
classifier = SpamClassifier.load(sys.argv[1], RuntimeOptions(device="cpu", threads=2))


class Handler(BaseHTTPRequestHandler):
    """Classifies the request body."""

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        verdict = classifier.classify(text)
        answer = json.dumps({"process": os.getpid(), "label": verdict.label, "score": verdict.score}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Disable logging."""


class Threading(ThreadingMixIn, HTTPServer):
    """Server with a thread per request."""

    request_queue_size = 128
    daemon_threads = True


class Forking(ForkingMixIn, HTTPServer):
    """Server with a child process per request."""

    request_queue_size = 128


def main() -> None:
    classifier.classify("the parent has used its session before anybody is forked")
    server = (Threading if sys.argv[2] == "prefork" else Forking)(("127.0.0.1", 0), Handler)
    children = []
    if sys.argv[2] == "prefork":
        for _ in range(CHILDREN):
            child = os.fork()
            if not child:
                server.serve_forever()
            children.append(child)
    else:
        Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
