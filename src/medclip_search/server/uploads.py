"""Uploads stay in memory: a query image, above all a DICOM, is never written to disk."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartParser
from starlette.requests import Request
from starlette.types import Message

LIMIT_MB = 64
"""The largest upload, in megabytes (2**20 bytes): one image in the app, one request in the API."""


def keep_in_memory() -> None:
    """Keep Starlette, and Streamlit on top of it, from spooling uploads to temporary files.

    Starlette moves parts above 1 MB to a file on disk; 0 means never. Every body is bounded
    by ``LIMIT_MB`` before it gets there.
    """
    MultiPartParser.spool_max_size = 0


def bounded(request: Request, most: int | None = None) -> Request:
    """The same request, answered with 413 as soon as its body exceeds ``most`` megabytes.

    By default ``LIMIT_MB``.
    """
    most = LIMIT_MB if most is None else most
    limit = most * 2**20
    too_large = HTTPException(413, f"the upload is larger than {most} MB")
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal():
        raise HTTPException(400, "the Content-Length header is not a number")
    if int(announced) > limit:
        raise too_large
    body = _counted(request, limit, too_large)

    async def receive() -> Message:
        async for chunk in body:
            return {"type": "http.request", "body": chunk, "more_body": True}
        return {"type": "http.request", "body": b"", "more_body": False}

    return Request(request.scope, receive)


async def _counted(request: Request, limit: int, too_large: HTTPException) -> AsyncIterator[bytes]:
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:  # a chunked body announces no length
            raise too_large
        yield chunk
