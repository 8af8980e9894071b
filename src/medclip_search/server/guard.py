"""What protects a server on a desk: the Host header's check, and headers for the browser."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # a publisher does not learn what was searched for
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class BrowserHeaders:
    """Adds the security headers to every answer that has not set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


def is_loopback(host: str) -> bool:
    """Whether a server bound to this host is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def middleware(host: str) -> Sequence[Middleware]:
    """The guards for a server bound to ``host``.

    On loopback, only the machine's own names are answered: a page on the internet whose name
    was made to point at 127.0.0.1 (DNS rebinding) is not.
    """
    guards = [Middleware(BrowserHeaders)]
    if is_loopback(host):
        own = ["localhost", "127.0.0.1", "[::1]", host]
        guards.append(Middleware(TrustedHostMiddleware, allowed_hosts=own, www_redirect=False))
    return guards
