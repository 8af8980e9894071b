"""The route ``/citations``: how to cite a case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import FastAPI, Query, Response
from fastapi.responses import PlainTextResponse

from medclip_search.api import Library
from medclip_search.exports import Style, cite

_TYPES: dict[Style, tuple[str, str]] = {
    "text": ("text/plain", "txt"),
    "bibtex": ("application/x-bibtex", "bib"),
    "ris": ("application/x-research-info-systems", "ris"),
}
"""Media type and suffix of each style."""


def add_citations(api: FastAPI, library: Callable[[], Library]) -> None:
    """Add the route to the API over a library."""

    @api.get("/citations/{case_id:path}", response_class=PlainTextResponse)
    def citation(case_id: str, style: Annotated[Style, Query(alias="format")] = "text") -> Response:
        """How to cite a case: `text`, `bibtex` or `ris`, of what is known of it."""
        kind, suffix = _TYPES[style]
        headers = {}
        if style != "text":
            headers["Content-Disposition"] = f'attachment; filename="citation.{suffix}"'
        content = cite([library().case(case_id)], style)
        return Response(content, media_type=f"{kind}; charset=utf-8", headers=headers)
