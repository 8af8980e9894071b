"""How long a request's head may be."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from medclip_search.server.main import _configured

MUCH = 1 << 20
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a server, configured as ours is, that answers with the length of a body."""

    async def length(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{len(await request.body())} bytes")

    app = Starlette(routes=[Route("/", length, methods=["POST"])])
    server = uvicorn.Server(_configured(app))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


def answered(port: int, sent: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        try:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(1 << 16), b""))
        except ConnectionError:  # ended while there was more to send
            return b""


@pytest.mark.parametrize(
    "endless",
    [
        HEAD + b"X-Long: " + b"a" * 8 * MUCH,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Long: " + b"a" * 8 * MUCH,
    ],
    ids=["header", "trailer"],
)
def test_a_head_without_end_ends_the_connection(port: int, endless: bytes) -> None:
    answer = answered(port, endless + b"\r\n\r\n")
    assert not answer or answer.startswith(b"HTTP/1.1 400 ")


def test_what_a_body_has_and_many_requests_on_one_connection_are_read(port: int) -> None:
    body = b"b" * 3 * MUCH
    request = HEAD + b"X-Long: %b\r\nContent-Length: %d\r\n\r\n" % (b"a" * 60_000, len(body)) + body
    last = request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    answer = answered(port, request * 2 + last)
    assert answer.count(b"%d bytes" % len(body)) == 3
