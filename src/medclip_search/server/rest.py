"""The REST API: search, cases and images of one library, as JSON and pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Annotated, Any

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi_offline import FastAPIOffline
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from medclip_search import NOT_FOR_DIAGNOSIS
from medclip_search.api import Library
from medclip_search.errors import (
    CaseNotFoundError,
    ImageError,
    LibraryError,
    MedClipError,
    TrayExistsError,
    TrayFileError,
    TrayNotFoundError,
    UsageError,
)
from medclip_search.images import read_image
from medclip_search.search.changes import Changes
from medclip_search.search.fuse import Fusion
from medclip_search.search.hits import Hits, case_to_json
from medclip_search.search.query import (
    EXPANSIONS,
    MEASURED,
    MOST_RERANK_MS,
    MOST_SUGGESTED,
    RERANK_MS,
    Query,
)
from medclip_search.search.regions import CaseFigure, ImageInput, with_regions
from medclip_search.search.sort import Sort
from medclip_search.server.citations import add_citations
from medclip_search.server.facts import add_facts
from medclip_search.server.history import add_history
from medclip_search.server.maps import add_map
from medclip_search.server.pictures import add_pictures, addresses
from medclip_search.server.trays import add_trays
from medclip_search.server.uploads import LIMIT_MB, bounded, keep_in_memory
from medclip_search.state import State

MOST_HITS = 1000
"""The largest ``k`` that one request may ask for."""

AT_ONCE = max(8, 2 * (os.cpu_count() or 1))
"""So many searches run beside one another, the others wait their turn: more would share the same
cores, and each take as long as all of them. Measured with 32 clients, whose slowest hundredth
waited 1.9 times the mean, and 1.5 times since."""

_READ_AT_ONCE = 1 << 16
"""So long a body is read as soon as a thread begins to: 0.1 ms for 3,000 numbers."""

_MOST_ERRORS = 5
_TEXT_FIELDS = (
    *("words", "not_words", "case", "not_case", "where", "like", "dislike", "tray", "not_id"),
    *("weights", "expand", "facets", "region", "not_region"),
)
_FILE_FIELDS = ("image", "not_image")
_PLAIN_FIELDS = (
    *("k", "start", "fusion", "fold", "group", "diversity", "rerank", "rerank_ms", "suggest"),
    *("sort", "area", "explain"),
)

_VECTOR: dict[str, Any] = {"type": "array", "items": {"type": "number"}}
_VECTORS: list[Any] = [_VECTOR, {"type": "array", "items": _VECTOR}]


# Of a list only the first that is wrong is told: a line for each of thousands takes a while.
_List = Annotated[list[str], Field(fail_fast=True)]
_Numbers = Annotated[list[float], Field(fail_fast=True)]
_Texts = str | _List


class Search(BaseModel):
    """What to search for. The fields of texts take one or a list of them."""

    model_config = ConfigDict(extra="forbid")

    words: _Texts = Field(default=[], examples=["chest radiograph"])
    not_words: _Texts = []
    case: _Texts = Field(default=[], description="ids of cases whose figures to find the like of")
    not_case: _Texts = Field(default=[], description="ids of cases whose figures to keep away from")
    where: _Texts = Field(
        default=[], description="filters, all of which must hold", examples=[["modality=CT"]]
    )
    like: _Texts = Field(default=[], description="ids of liked cases")
    dislike: _Texts = Field(default=[], description="ids of disliked cases")
    tray: _Texts = Field(
        default=[], description="ids of kept cases: those near the query are weaker likes"
    )
    not_id: _Texts = Field(default=[], description="ids of cases that must not answer")
    region: _Texts = Field(
        default=[],
        description="boxes X,Y,WIDTH,HEIGHT of a form's images and then of the cases' figures, in "
        "their order, in pixels or fractions; `whole` for none",
        examples=[["120,40,200,180"]],
    )
    not_region: _Texts = Field(default=[], description="the same of the unwanted images")
    # The query looks at the numbers: a list of what is wrong with each would be a long answer.
    vector: list[Any] = Field(
        default=[],
        max_length=1 << 16,
        description="a ready-made vector of one embedding space, or several",
        json_schema_extra={"items": {}, "anyOf": _VECTORS},
    )
    space: str = Field(
        default="", max_length=200, description="which embedding space the vector is of"
    )
    rerank: bool = Field(
        default=True, description="let the server's cross-encoder, if any, re-rank words"
    )
    rerank_ms: int = Field(
        default=RERANK_MS, ge=0, le=MOST_RERANK_MS, description="how many milliseconds it may take"
    )
    fusion: Fusion = Field(
        default="convex", description="how the lists become one: by calibrated scores or by ranks"
    )
    weights: dict[str, float | _Numbers] | _List = Field(
        default={},
        description="how much the parts count (words, image, vector, not-image), 1 by default",
        examples=[{"words": 0.5, "image": [2, 1]}],
    )
    fold: bool = Field(default=True, description="show the same picture once")
    group: str = Field(
        default="", max_length=200, description="a field of each value of which one hit is shown"
    )
    diversity: float = Field(default=0, ge=0, le=1, description="prefer hits unlike those above")
    expand: _Texts = Field(
        default=[],
        description="how words are searched for by more than was typed: `all`, `none`, or some of "
        f"{', '.join(EXPANSIONS)}; by default {' and '.join(MEASURED)}",
    )
    suggest: int = Field(
        default=0,
        ge=0,
        le=MOST_SUGGESTED,
        description="how many phrases that the best hits are called by to tell",
    )
    sort: Sort = Field(
        default="relevance", description="or the most relevant by year: `newest`, `oldest` first"
    )
    facets: _Texts = Field(
        default=[],
        description="fields of which the answers are counted by value",
        examples=[["modality", "year"]],
    )
    area: str | _Numbers = Field(
        default="",
        description="only what stands in this box of the map: X,Y,WIDTH,HEIGHT in fractions of it",
        examples=["0.1,0.2,0.3,0.3"],
    )
    start: int | None = Field(
        default=None,
        ge=0,
        description="how many hits to pass over: 0 for the first of pages that fit together",
    )
    explain: bool = Field(
        default=False, description="tell what the likes and dislikes changed of these hits"
    )
    k: int = Field(default=10, ge=1, le=MOST_HITS, description="how many hits")


_TURNS: RunVar[CapacityLimiter] = RunVar("searches at once")


def _turns() -> CapacityLimiter:
    """The turns of this event loop's searches."""
    try:
        return _TURNS.get()
    except LookupError:
        _TURNS.set(turns := CapacityLimiter(AT_ONCE))
        return turns


def create_api(library: Callable[[], Library], state: Callable[[], State] | None = None) -> FastAPI:
    """The API over a library; ``library`` is called once a request and gives the current one.

    With ``state``, users' trays and recent searches are served too (``server.trays``, ``history``).

    Errors are JSON, ``{"error": "one line"}``: 400 for a query that cannot be asked or an image
    that cannot be read, 404 for an unknown case or tray, 409 for a tray's name that is taken, 413
    for an upload above ``LIMIT_MB``, 415 for a body that is not JSON where it must be, 422 for a
    field of the wrong type, 503 where the library cannot be used.
    """
    keep_in_memory()
    api = FastAPIOffline(
        title="MedClip Search",
        version=version("medclip-search"),
        description=f"Published medical figures by image, words or both. {NOT_FOR_DIAGNOSIS}",
        redoc_url=None,
    )
    _answer_errors_in_json(api)
    add_citations(api, library)
    add_facts(api, library)
    add_map(api, library, _asked, _search_body())
    add_pictures(api, library)
    if state is not None:
        add_history(api, library, state)
        add_trays(api, library, state)

    @api.post(
        "/search", openapi_extra={"requestBody": _search_body()}, response_model=dict[str, Any]
    )
    async def search(request: Request) -> Response:
        """Search by words, by images, or both, with filters and feedback.

        Send JSON for words and vectors, or a multipart form to add image files (`image`,
        `not_image`).
        """
        body, query = await _read(bounded(request))

        def answer() -> tuple[Hits, Changes | None]:
            opened = library()
            hits = opened.search(query, body.k, body.start)
            return hits, opened.changes(query, hits) if body.explain else None

        hits, changed = await run_sync(answer, limiter=_turns())
        root = request.scope.get("root_path", "")
        return _json(
            {
                "hits": [hit.to_json() | addresses(root, hit.case) for hit in hits],
                "notes": list(hits.notes),
                "start": hits.start,
                "ranked": hits.ranked,
                "facets": None if hits.facets is None else hits.facets.to_json(),
                "changes": None if changed is None else changed.to_json(),
                "suggestions": [one.to_json() for one in hits.suggestions],
                "generation": hits.generation,
                "milliseconds": hits.milliseconds,
                "disclaimer": NOT_FOR_DIAGNOSIS,
            }
        )

    @api.get("/cases/{case_id:path}")
    def case(case_id: str, request: Request) -> dict[str, Any]:
        """One case: caption, source, licence and what else is known of it."""
        found = library().case(case_id)
        root = request.scope.get("root_path", "")
        return (
            {"id": found.id}
            | case_to_json(found)
            | addresses(root, found)
            | {"disclaimer": NOT_FOR_DIAGNOSIS}
        )

    @api.get("/health")
    def health() -> dict[str, Any]:
        """Whether the library answers, and which generation of it."""
        opened = library()
        return {
            "status": "ok",
            "library": opened.id,
            "generation": opened.generation,
            "cases": len(opened),
            "version": version("medclip-search"),
        }

    return api


def _json(content: dict[str, Any]) -> Response:
    """As ``JSONResponse``, in a third of the time."""
    return Response(to_json(content, inf_nan_mode="null"), media_type="application/json")


async def _asked(request: Request) -> Query:
    return (await _read(bounded(request)))[1]


async def _read(request: Request) -> tuple[Search, Query]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        try:
            content = await request.body()
            read = Search.model_validate_json
            # Many vectors take a while, in which others are to be answered.
            long = len(content) > _READ_AT_ONCE
            body = await run_in_threadpool(read, content) if long else read(content)
        except ValidationError as error:
            raise HTTPException(422, _in_one_line(error)) from None
        return body, _query(body)
    if kind not in ("multipart/form-data", "application/x-www-form-urlencoded"):
        raise HTTPException(415, "send application/json or multipart/form-data")
    async with request.form() as form:
        _check_fields(form)
        # A field left empty in an HTML form is sent all the same: it says nothing.
        fields: dict[str, Any] = {
            name: [one for one in form.getlist(name) if one] for name in _TEXT_FIELDS
        }
        fields |= {name: form[name] for name in _PLAIN_FIELDS if name in form}
        try:
            body = Search.model_validate(fields)
        except ValidationError as error:
            raise HTTPException(422, _in_one_line(error)) from None
        image, not_image = [await _pictures(form, name) for name in _FILE_FIELDS]
    return body, _query(body, image, not_image)


def _query(
    body: Search, image: Sequence[Image.Image] = (), not_image: Sequence[Image.Image] = ()
) -> Query:
    return Query(
        text=body.words,
        image=with_regions(_images(image, body.case), _several(body.region), "region"),
        not_text=body.not_words,
        not_image=with_regions(
            _images(not_image, body.not_case), _several(body.not_region), "not_region"
        ),
        where=body.where,
        like=body.like,
        dislike=body.dislike,
        tray=body.tray,
        not_id=body.not_id,
        vector=body.vector,
        space=body.space,
        fusion=body.fusion,
        weights=body.weights,
        suggest=body.suggest,
        rerank=body.rerank,
        rerank_ms=body.rerank_ms,
        fold=body.fold,
        group=body.group,
        diversity=body.diversity,
        expand=body.expand or MEASURED,
        sort=body.sort,
        facets=body.facets,
        area=body.area,
    )


def _images(sent: Sequence[Image.Image], cases: str | list[str]) -> list[ImageInput]:
    return [*sent, *map(CaseFigure, _several(cases))]


def _several(texts: str | list[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else texts


def _check_fields(form: FormData) -> None:
    known = (*_TEXT_FIELDS, *_FILE_FIELDS, *_PLAIN_FIELDS)
    for name, value in form.multi_items():
        if name not in known:
            raise HTTPException(422, f"{name}: no such field; there are {', '.join(known)}")
        if isinstance(value, UploadFile) != (name in _FILE_FIELDS):
            raise HTTPException(422, f"{name}: send a {'file' if name in _FILE_FIELDS else 'text'}")


async def _pictures(form: FormData, name: str) -> list[Image.Image]:
    """The pictures in a field, decoded in memory; one left empty in an HTML form is none."""
    pictures = []
    for file in form.getlist(name):
        if isinstance(file, UploadFile) and (file.filename or file.size):
            content = await file.read()
            title = file.filename or name
            pictures.append(await run_in_threadpool(read_image, content, name=title))
    return pictures


def _answer_errors_in_json(api: FastAPI) -> None:
    def answer(status: int, message: str) -> JSONResponse:
        return JSONResponse({"error": message}, status)

    @api.exception_handler(MedClipError)
    async def ours(_: Request, error: MedClipError) -> JSONResponse:
        return answer(_status(error), str(error))

    @api.exception_handler(HTTPException)
    async def theirs(_: Request, error: HTTPException) -> JSONResponse:
        return answer(error.status_code, str(error.detail))

    @api.exception_handler(RequestValidationError)
    async def mistyped(_: Request, error: RequestValidationError) -> JSONResponse:
        return answer(422, _in_one_line(error))

    @api.exception_handler(Exception)
    async def unforeseen(_: Request, error: Exception) -> JSONResponse:
        return answer(500, "the server failed to answer; its log says why")


def _status(error: MedClipError) -> int:
    if isinstance(error, CaseNotFoundError | TrayNotFoundError):
        return 404
    if isinstance(error, TrayExistsError):
        return 409
    if isinstance(error, UsageError | ImageError | TrayFileError):
        return 400
    return 503 if isinstance(error, LibraryError) else 500


def _in_one_line(error: ValidationError | RequestValidationError) -> str:
    return "; ".join(
        ".".join(str(part) for part in one["loc"]) + f": {one['msg']}"
        if one["loc"]
        else str(one["msg"])
        for one in error.errors()[:_MOST_ERRORS]
    )


def _search_body() -> dict[str, Any]:
    """The OpenAPI description of the search's body, in its two forms."""
    schema = Search.model_json_schema()
    texts = {name: {"type": "array", "items": {"type": "string"}} for name in _TEXT_FIELDS}
    files = {
        name: {"type": "array", "items": {"type": "string", "format": "binary"}}
        for name in _FILE_FIELDS
    }
    plain = {name: schema["properties"][name] for name in _PLAIN_FIELDS}
    form = {"type": "object", "properties": texts | files | plain}
    return {
        "required": True,
        "description": f"At most {LIMIT_MB} MB.",
        "content": {
            "application/json": {"schema": schema},
            "multipart/form-data": {"schema": form},
        },
    }
