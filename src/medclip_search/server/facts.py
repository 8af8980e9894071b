"""The routes under ``/library``: what the library holds and how it was made."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Annotated, Any

from fastapi import FastAPI, Query

from medclip_search import NOT_FOR_DIAGNOSIS
from medclip_search.api import Library

MOST_VALUES = 10_000
"""The most values of a field that one request may ask for."""


def add_facts(api: FastAPI, library: Callable[[], Library]) -> None:
    """Add the routes to the API over a library."""

    @api.get("/library")
    def facts() -> dict[str, Any]:
        """Its cases, sources, embedding spaces and sizes, and what its fields tell of how many."""
        found = library().info()
        # Where folders lie on this machine is nobody's business elsewhere.
        for name in ("path", "model"):
            del found[name]
        for source in found["sources"]:
            del source["root"]
        return found | {"disclaimer": NOT_FOR_DIAGNOSIS}

    @api.get("/library/fields/{field}")
    def values(
        field: str, most: Annotated[int, Query(ge=1, le=MOST_VALUES)] = 100
    ) -> dict[str, Any]:
        """The values of a field with how many cases have each, the most frequent first."""
        opened = library()
        name = opened.field(field)
        cases, distinct = opened.coverage(name)
        counted = islice(opened.facets(name).items(), most)
        return {
            "field": name,
            "cases": cases,
            "distinct": distinct,
            "values": [{"value": value, "count": count} for value, count in counted],
        }
