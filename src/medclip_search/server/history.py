"""The routes under ``/history``: what was last asked in the app, and whether it is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict, Field

from medclip_search.api import Library
from medclip_search.server.json_bodies import documented, sent
from medclip_search.state import LOCAL_USER, PastSearch, State


class Keeping(BaseModel):
    """Whether searches are kept."""

    model_config = ConfigDict(extra="forbid")

    keep: bool = Field(description="false forgets those of every library, and keeps none")


def add_history(api: FastAPI, library: Callable[[], Library], state: Callable[[], State]) -> None:
    """Add the routes to the API over a library and the state of its users."""

    @api.get("/history")
    def history() -> dict[str, Any]:
        """What was last asked of the library in the app, newest first, as `/search` takes it."""
        kept = state()
        return {
            "keep": kept.keeps_searches(LOCAL_USER),
            "searches": [_body(one) for one in kept.searches(LOCAL_USER, library().id)],
        }

    @api.patch("/history", openapi_extra=documented(Keeping.model_json_schema()))
    def keeping(wanted: Annotated[Keeping, Depends(sent(Keeping))]) -> dict[str, bool]:
        """Keep searches from now on, or none."""
        state().set_keep_searches(LOCAL_USER, wanted.keep)
        return {"keep": wanted.keep}

    @api.delete("/history")
    def forget() -> dict[str, int]:
        """Forget the searches of the library; tells how many there were."""
        return {"forgotten": state().forget_searches(LOCAL_USER, library().id)}


def _body(search: PastSearch) -> dict[str, Any]:
    said = asdict(search)
    return said | {"case": said.pop("cases"), "not_case": said.pop("not_cases")}
