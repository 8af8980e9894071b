"""The routes of pictures: full-size figures, thumbnails, and the samples of deep ones."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import numpy as np
from fastapi import FastAPI, Request, Response
from PIL import Image
from starlette.exceptions import HTTPException

from medclip_search.api import Library
from medclip_search.cases import Case
from medclip_search.errors import ImageError

_CACHED = {"Cache-Control": "private, max-age=60, stale-while-revalidate=86400"}


def addresses(root: str, case: Case) -> dict[str, Any]:
    """Where a client finds the pictures; never a path of the server's own disk."""
    if case.image is None:
        return {"image": None, "thumbnail": None}
    name = quote(case.id)
    return {"image": f"{root}/images/{name}", "thumbnail": f"{root}/thumbnails/{name}"}


def add_pictures(api: FastAPI, library: Callable[[], Library]) -> None:
    """Add the routes to the API over a library."""

    @api.get("/images/{case_id:path}", response_class=Response)
    def image(case_id: str, request: Request) -> Response:
        """The full-size figure as PNG.

        Where its source is gone, the thumbnail kept in the library: the header
        `X-Medclip-Image` says `full-size` or `thumbnail`.
        """
        opened = library()
        try:
            picture = opened.image(case_id)
        except ImageError as error:
            kept = opened.thumbnail(case_id)
            if kept is None:
                raise HTTPException(404, str(error)) from None
            return _cached(request, kept, "image/webp", {"X-Medclip-Image": "thumbnail"})
        return _cached(request, _png(picture), "image/png", {"X-Medclip-Image": "full-size"})

    @api.get("/thumbnails/{case_id:path}", response_class=Response)
    def thumbnail(case_id: str, request: Request) -> Response:
        """The thumbnail kept in the library, as WebP."""
        kept = library().thumbnail(case_id)
        if kept is None:
            raise HTTPException(404, f"{case_id}: this case has no image")
        return _cached(request, kept, "image/webp", {})

    @api.get("/samples/{case_id:path}", response_class=Response)
    def samples(case_id: str, request: Request) -> Response:
        """What a picture of more than 8 bits measured, before a window makes grey of it.

        A NumPy file (`.npy`) of (height, width), int16, uint16 or float32: for CT in Hounsfield
        units. The header `X-Medclip-Samples` is JSON: `window` (centre and width to begin with),
        `unit` (`HU` or empty), `inverted` (the least value is white) and `padding` (values from
        the first to the second are none). 404 for a picture of 8 bits, of which `images` has all.
        """
        try:
            found = library().samples(case_id)
        except ImageError as error:
            raise HTTPException(404, str(error)) from None
        if found is None:
            raise HTTPException(404, f"{case_id}: has 8 bits a sample; /images has all of it")
        buffer = io.BytesIO()
        np.save(buffer, found.values, allow_pickle=False)
        facts = {"X-Medclip-Samples": json.dumps(found.facts())}
        return _cached(request, buffer.getvalue(), "application/octet-stream", facts)


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _cached(request: Request, content: bytes, kind: str, extra: Mapping[str, str]) -> Response:
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag} | _CACHED | dict(extra)
    known = request.headers.get("if-none-match", "")
    if {tag, "*"} & {one.strip().removeprefix("W/") for one in known.split(",")}:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=kind, headers=headers)
