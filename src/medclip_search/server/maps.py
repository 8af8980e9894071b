"""The routes ``/map`` and ``/map/place``: the library's map, and where a query stands on it."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from medclip_search import NOT_FOR_DIAGNOSIS
from medclip_search.api import Library
from medclip_search.search import query as asking

MOST = 10_000
"""So many figures does one answer tell at most."""


def add_map(
    api: FastAPI,
    library: Callable[[], Library],
    read: Callable[[Request], Awaitable[asking.Query]],
    body: dict[str, Any],
) -> None:
    """Add the routes to the API over a library; ``read`` reads a search, ``body`` describes one."""

    @api.get("/map", response_model=dict[str, Any])
    def points(
        request: Request,
        most: Annotated[int, Query(ge=1, le=MOST)] = MOST,
        where: Annotated[list[str], Query(description="filters")] = [],  # noqa: B006
        field: Annotated[list[str], Query(description="fields whose values to tell")] = [],  # noqa: B006
    ) -> Response:
        """Where figures stand on the map, in fractions of it; as if at random, where not all.

        For each `field` its `values`, and for each figure the number of its own (-1 for none).
        """
        found = library().map(most, where, field)
        answer = JSONResponse(
            {
                "space": found.space,
                "cases": found.cases,
                "ids": found.ids,
                "x": [round(x, 5) for x in found.positions[:, 0].tolist()],
                "y": [round(y, 5) for y in found.positions[:, 1].tolist()],
                "fields": {
                    name: {"values": values, "of": ranks.tolist()}
                    for name, (values, ranks) in found.fields.items()
                },
                "disclaimer": NOT_FOR_DIAGNOSIS,
            }
        )
        tag = f'"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if request.headers.get("if-none-match") in (tag, f"W/{tag}"):
            return Response(status_code=304, headers=headers)
        answer.headers.update(headers)
        return answer

    @api.post("/map/place", openapi_extra={"requestBody": body}, response_model=dict[str, Any])
    async def place(request: Request) -> dict[str, Any]:
        """Where the words, images and vectors of a search stand on the map."""
        query = await read(request)
        placed, notes = await run_in_threadpool(lambda: library().place(query))
        return {
            "placed": [asdict(one) for one in placed],
            "notes": list(notes),
            "disclaimer": NOT_FOR_DIAGNOSIS,
        }
