"""MedClip Search: search published medical figures by image, by words, or by both.

For research and teaching. Not for diagnosis.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medclip_search.api import Library, build, remove, verify
    from medclip_search.cases import Case, ImageSource
    from medclip_search.errors import (
        CaseNotFoundError,
        CorpusError,
        EncoderError,
        EvaluationError,
        FilterError,
        ImageError,
        LibraryBusyError,
        LibraryDamagedError,
        LibraryError,
        LibraryTooNewError,
        MedClipError,
        NotALibraryError,
        QueryError,
        StateError,
        TrayExistsError,
        TrayFileError,
        TrayNotFoundError,
        UsageError,
    )
    from medclip_search.images.samples import Samples
    from medclip_search.indexes.text.highlighting import Highlight
    from medclip_search.search.facets import Facets
    from medclip_search.search.hits import Hit, Hits, Suggestion
    from medclip_search.search.query import Query
    from medclip_search.search.regions import CaseFigure, Region

__version__ = "0.1.0"

NOT_FOR_DIAGNOSIS = "For research and teaching. Not for diagnosis."

__all__ = [
    "NOT_FOR_DIAGNOSIS",
    "Case",
    "CaseFigure",
    "CaseNotFoundError",
    "CorpusError",
    "EncoderError",
    "EvaluationError",
    "Facets",
    "FilterError",
    "Highlight",
    "Hit",
    "Hits",
    "ImageError",
    "ImageSource",
    "Library",
    "LibraryBusyError",
    "LibraryDamagedError",
    "LibraryError",
    "LibraryTooNewError",
    "MedClipError",
    "NotALibraryError",
    "Query",
    "QueryError",
    "Region",
    "Samples",
    "StateError",
    "Suggestion",
    "TrayExistsError",
    "TrayFileError",
    "TrayNotFoundError",
    "UsageError",
    "build",
    "remove",
    "verify",
]

_HOMES = {
    "Library": "api",
    "build": "api",
    "remove": "api",
    "verify": "api",
    "Case": "cases",
    "ImageSource": "cases",
    "Facets": "search.facets",
    "Highlight": "indexes.text.highlighting",
    "Hit": "search.hits",
    "Hits": "search.hits",
    "Suggestion": "search.hits",
    "Query": "search.query",
    "CaseFigure": "search.regions",
    "Region": "search.regions",
    "Samples": "images.samples",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: ``--help`` needs no NumPy."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
