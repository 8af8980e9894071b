"""A library served in a process of its own, and asked over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.memory_limit import Group

_SERVE = """
import os, pathlib, sys
for members in sys.argv[2:]:
    pathlib.Path(members).write_text(str(os.getpid()))
from medclip_search.server.main import serve
serve(sys.argv[1], port=0)
"""


@contextmanager
def served(library: Path, group: Group | None = None) -> Iterator[tuple[str, int]]:
    """Serve a library with an empty state of its own; gives the address and the process's id.

    The server joins the ``group`` before it does anything.
    """
    with tempfile.TemporaryDirectory() as state:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(library), *([str(group.members)] if group else [])],
            env=os.environ | {"MEDCLIP_STATE": state},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            with process.stdout as printed:
                found = re.search(r"http://\S+", printed.readline())
                if found is None:
                    raise SystemExit("the server did not start")
                yield found[0], process.pid
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


class Client:
    """One connection to the API, kept open; for one thread."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)

    def search(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a search; exits where the server refuses it."""
        body = json.dumps(asked)
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", "/api/v1/search", body, headers)
        answer = self._connection.getresponse()
        found: dict[str, Any] = json.loads(answer.read())
        if answer.status != 200:
            raise SystemExit(f"the server answered {answer.status}: {found.get('error')}")
        return found

    def close(self) -> None:
        self._connection.close()
