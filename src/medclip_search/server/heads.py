"""How long a request's head may be: httptools has no limit, and would fill the memory with it."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_BYTES = 1 << 20
"""A head that is longer, or what stands between parts of a body, is refused with 400. What comes
at once, at most a quarter of it, may belong to two requests."""


class BoundedHeads(HttpToolsProtocol):
    """uvicorn's protocol over httptools, which ends a connection whose head has no end."""

    _since = 0  # bytes since there was anything to pass on

    def data_received(self, data: bytes) -> None:
        self._since += len(data)
        super().data_received(data)
        if self._since > MOST_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_headers_complete(self) -> None:
        self._since = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._since = 0
        super().on_body(body)
