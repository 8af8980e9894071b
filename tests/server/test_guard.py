"""Who may ask: the Host header's check on loopback, and headers for the browser."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from medclip_search.server.guard import is_loopback, middleware


def client(host: str) -> TestClient:
    async def hello(_: object) -> PlainTextResponse:
        return PlainTextResponse("hello")

    app = Starlette(routes=[Route("/", hello)], middleware=list(middleware(host)))
    return TestClient(app, base_url="http://localhost")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.3.2.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.7", False),
        ("example.org", False),
        ("", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_on_loopback_only_the_machines_own_names_are_answered() -> None:
    loopback = client("127.0.0.1")
    for name in ("localhost:8501", "127.0.0.1:8501", "127.0.0.1", "[::1]:8501"):
        assert loopback.get("/", headers={"host": name}).status_code == 200
    for name in ("evil.example", "evil.example:8501", "localhost.evil.example", "127.0.0.2"):
        assert loopback.get("/", headers={"host": name}).status_code == 400


def test_a_server_on_the_network_answers_to_any_name() -> None:
    assert client("0.0.0.0").get("/", headers={"host": "pacs.hospital"}).status_code == 200


def test_the_browser_is_told_to_be_careful() -> None:
    headers = client("127.0.0.1").get("/").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers
