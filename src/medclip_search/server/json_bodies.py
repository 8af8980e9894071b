"""Bodies of requests that change what users keep: JSON, and said to be.

A page elsewhere that a browser shows may send forms and plain texts to this machine unasked, but
not that: the browser asks first, and is not answered (CORS).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from medclip_search.server.uploads import bounded

Body = TypeVar("Body", bound=BaseModel)


async def json_body(request: Request, most: int = 1) -> bytes:
    """The body, of at most so many megabytes; another media type is answered with 415."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, "send application/json")
    return await bounded(request, most).body()


def sent(model: type[Body]) -> Callable[[Request], Coroutine[Any, Any, Body]]:
    """A dependency that reads the body as such a model; 422 for what is none."""

    async def read(request: Request) -> Body:
        try:
            return model.model_validate_json(await json_body(request))
        except ValidationError as error:
            raise RequestValidationError(error.errors()) from None

    return read


def documented(schema: dict[str, Any]) -> dict[str, Any]:
    """What OpenAPI is told of a body that FastAPI does not read itself."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
