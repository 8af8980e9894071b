"""A small HTTP server on this machine that speaks as Hugging Face's hub does."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CLOSED = "http://127.0.0.1:9"  # the discard port: nobody listens there
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def small_hub(folder: Path, repositories: Sequence[str], asked: list[str]) -> Iterator[str]:
    """The address of a hub whose ``repositories`` hold the files of a folder.

    ``asked`` collects the requests, and who asked.
    """
    hub = partial(_Hub, folder=folder, repositories=repositories, asked=asked)
    server = ThreadingHTTPServer(("127.0.0.1", 0), hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class _Hub(SimpleHTTPRequestHandler):
    """Repositories of the same files, in one folder."""

    def __init__(
        self, *given: object, folder: Path, repositories: Sequence[str], asked: list[str]
    ) -> None:
        self.folder, self.repositories, self.asked = folder, repositories, asked
        super().__init__(*given)  # type: ignore[arg-type]

    def do_HEAD(self) -> None:
        self.answer(b"")

    def do_GET(self) -> None:
        self.answer(None)

    def answer(self, body: bytes | None) -> None:
        self.asked.append(f"{self.command} {self.path} {self.headers['User-Agent']}")
        if self.path in (f"/api/models/{one}" for one in self.repositories):
            siblings = [{"rfilename": path.name} for path in sorted(self.folder.iterdir())]
            content = json.dumps(
                {"id": self.repositories[0], "sha": COMMIT, "siblings": siblings}
            ).encode()
        elif (file := self.folder / self.path.rpartition("/")[2]).is_file():
            content = file.read_bytes()
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.end_headers()
        self.wfile.write(content if body is None else body)

    def log_message(self, *_: object) -> None:
        return
