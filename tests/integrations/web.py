"""A web server that forks: `python -m tests.integrations.web BUNDLE prefork|per-request`; it ends when its input does.

The parent opens the model, classifies a message and prints its port. Either three children serve from then on, with a
thread for each request, or there is a child for each request.
"""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ForkingMixIn, ThreadingMixIn
from threading import Thread

from spam_edge import RuntimeOptions, SpamClassifier
from tests.integrations import workers  # noqa: F401 - which counts

CHILDREN = 3
classifier = SpamClassifier.load(sys.argv[1], RuntimeOptions(device="cpu", threads=2))


class Handler(BaseHTTPRequestHandler):
    """Answers with the verdict on the body."""

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        verdict = classifier.classify(text)
        answer = json.dumps({"process": os.getpid(), "label": verdict.label, "score": verdict.score}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Threading(ThreadingMixIn, HTTPServer):
    """A thread for each request."""

    request_queue_size = 128
    daemon_threads = True


class Forking(ForkingMixIn, HTTPServer):
    """A child for each request."""

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
