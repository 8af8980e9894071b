"""The routes under ``/trays``: what is kept, in order and with notes; exports and imports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from medclip_search import NOT_FOR_DIAGNOSIS
from medclip_search.api import Library
from medclip_search.exports.files import FORMS, export_tray, file_name
from medclip_search.exports.importing import MOST_BYTES, import_tray
from medclip_search.exports.tables import to_json
from medclip_search.exports.tray import keep_case, read_tray
from medclip_search.server.json_bodies import documented, json_body, sent
from medclip_search.state import LOCAL_USER, State
from medclip_search.state.trays import MOST_NAME, MOST_NOTE

ExportForm = Literal["csv", "json", "bibtex", "ris", "zip", "html", "quiz"]


class NewTray(BaseModel):
    """A tray to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=MOST_NAME)


class TrayChange(BaseModel):
    """What to change of a tray."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, max_length=MOST_NAME, description="a new name")
    current: Literal[True] | None = Field(default=None, description="make it the current tray")


class CaseInTray(BaseModel):
    """A case's note and place; what is not said stays."""

    model_config = ConfigDict(extra="forbid")

    note: str | None = Field(default=None, max_length=MOST_NOTE)
    place: int | None = Field(default=None, ge=0, description="counted from 0")


_TEXT = {"type": "string"}
_TRAY = {
    "type": "object",
    "required": ["cases"],
    "properties": {
        "cases": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id"],
                "properties": {"id": _TEXT, "note": _TEXT},
            },
        }
    },
}
"""The least that a tray to import has."""


def add_trays(api: FastAPI, library: Callable[[], Library], state: Callable[[], State]) -> None:
    """Add the routes to the API over a library and the state of its users."""

    @api.get("/trays")
    def trays() -> dict[str, Any]:
        """The trays, oldest first: how many cases each holds, and which is the current one."""
        kept, opened = state(), library()
        current = kept.current_tray(LOCAL_USER, opened.id)
        counts = kept.trays(LOCAL_USER, opened.id)
        return {
            "trays": [
                {"name": name, "cases": count, "current": name == current}
                for name, count in counts.items()
            ],
            "disclaimer": NOT_FOR_DIAGNOSIS,
        }

    @api.post("/trays", status_code=201, openapi_extra=documented(NewTray.model_json_schema()))
    def create(tray: Annotated[NewTray, Depends(sent(NewTray))]) -> dict[str, str]:
        """Make an empty tray."""
        return {"name": state().create_tray(LOCAL_USER, library().id, tray.name)}

    @api.get("/trays/{name}")
    def show(name: str) -> Response:
        """A tray's cases in order, with notes and citations: the form that it is imported from."""
        tray = read_tray(state(), library(), name)
        return Response(to_json(tray), media_type="application/json")

    @api.put("/trays/{name}", openapi_extra=documented(_TRAY))
    async def put(name: str, request: Request) -> dict[str, Any]:
        """Make a tray of an exported one, in place of the one that has this name, if any."""
        content = await json_body(request, MOST_BYTES >> 20)
        made = await run_in_threadpool(import_tray, state(), library(), content, name, replace=True)
        return {"name": made.name, "cases": made.cases, "notes": list(made.notes)}

    @api.patch("/trays/{name}", openapi_extra=documented(TrayChange.model_json_schema()))
    def change(name: str, tray: Annotated[TrayChange, Depends(sent(TrayChange))]) -> dict[str, str]:
        """Rename a tray, or make it the current one."""
        kept, opened = state(), library()
        read_tray(kept, opened, name)
        if tray.name is not None:
            name = kept.rename_tray(LOCAL_USER, opened.id, name, tray.name)
        if tray.current:
            kept.choose_tray(LOCAL_USER, opened.id, name)
        return {"name": name}

    @api.delete("/trays/{name}", status_code=204)
    def delete(name: str) -> None:
        """Delete a tray with the notes in it."""
        if not state().delete_tray(LOCAL_USER, library().id, name):
            raise HTTPException(404, f"{name}: there is no such tray")

    @api.get("/trays/{name}/export")
    def export(
        name: str, form: Annotated[ExportForm, Query(alias="format")] = "csv"
    ) -> StreamingResponse:
        """A tray as a file: a table, references, figures, or a page to teach from."""
        opened = library()
        tray = read_tray(state(), opened, name)
        disposition = f"attachment; filename={quote(file_name(tray, form))}"
        return StreamingResponse(
            export_tray(tray, form, opened),
            media_type=f"{FORMS[form].media_type}{'' if form == 'zip' else '; charset=utf-8'}",
            headers={"Content-Disposition": disposition, "Cache-Control": "no-store"},
        )

    @api.put(
        "/trays/{name}/cases/{case_id:path}",
        openapi_extra=documented(CaseInTray.model_json_schema()),
    )
    def put_case(
        name: str, case_id: str, case: Annotated[CaseInTray, Depends(sent(CaseInTray))]
    ) -> dict[str, Any]:
        """Put a case into a tray, made if it is new; or change its note or its place."""
        added = keep_case(state(), library(), case_id, name, note=case.note, place=case.place)
        return {"id": case_id, "added": added}

    @api.delete("/trays/{name}/cases/{case_id:path}", status_code=204)
    def remove_case(name: str, case_id: str) -> None:
        """Take a case out of a tray, with its note."""
        if not state().remove_from_tray(LOCAL_USER, library().id, case_id, name):
            raise HTTPException(404, f"{case_id}: not in the tray")
