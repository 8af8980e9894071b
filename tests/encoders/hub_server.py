"""A small HTTP server on this machine that speaks as Hugging Face's hub does."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CLOSED = "http://127.0.0.1:9"  # the discard port: nobody listens there
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Fault:
    """What is wrong with a path: ``status`` is answered, or the content ends after ``cut`` bytes.

    The connection is then closed. It goes wrong ``times`` times.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    times: int = 1 << 30


@contextmanager
def small_hub(
    folder: Path,
    repositories: Sequence[str],
    asked: list[str],
    faults: Mapping[str, Fault] | None = None,
) -> Iterator[str]:
    """The address of a hub whose ``repositories`` hold the files of a folder.

    ``asked`` collects the requests, and who asked; ``faults`` are of paths by how they end, and may
    change meanwhile.
    """
    given = {} if faults is None else faults
    hub = partial(_Hub, folder=folder, repositories=repositories, asked=asked, faults=given)
    server = ThreadingHTTPServer(("127.0.0.1", 0), hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class _Hub(SimpleHTTPRequestHandler):
    """Repositories of the same files, in one folder."""

    def __init__(
        self,
        *given: object,
        folder: Path,
        repositories: Sequence[str],
        asked: list[str],
        faults: Mapping[str, Fault],
    ) -> None:
        self.folder, self.repositories, self.asked = folder, repositories, asked
        self.faults = faults
        super().__init__(*given)  # type: ignore[arg-type]

    def do_HEAD(self) -> None:
        self.answer(b"")

    def do_GET(self) -> None:
        self.answer(None)

    def answer(self, body: bytes | None) -> None:
        part = self.headers["Range"]
        self.asked.append(f"{self.command} {self.path} {part} {self.headers['User-Agent']}")
        fault = self.fault()
        if fault is not None and fault.status != 200:
            self.send_response(fault.status)
            for name, value in {**fault.headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()
            return
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
        etag = hashlib.sha256(content).hexdigest()
        start = int(part.removeprefix("bytes=").partition("-")[0]) if part else 0
        self.send_response(206 if part else 200)
        if part:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            content = content[start:]
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{etag}"')
        self.end_headers()
        sent = content if body is None else body
        with suppress(ConnectionError):  # one may hang up, where no disk has room for it
            self.wfile.write(sent if fault is None else sent[: fault.cut])

    def fault(self) -> Fault | None:
        """The one of this request, counted. What is cut is what one gets, not what one heads."""
        for end, fault in self.faults.items():
            meant = self.path.endswith(end) and (fault.cut is None or self.command == "GET")
            if meant and fault.times > 0:
                fault.times -= 1
                return fault
        return None

    def log_message(self, *_: object) -> None:
        return
