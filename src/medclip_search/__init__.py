"""MedClip Search: search published medical figures by image, by words, or by both.

For research and teaching. Not for diagnosis.
"""

from medclip_search.api import Library
from medclip_search.cases import Case, ImageSource
from medclip_search.errors import (
    CaseNotFoundError,
    CorpusError,
    EncoderError,
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
    UsageError,
)
from medclip_search.search.hits import Hit, Hits
from medclip_search.search.query import Query

__version__ = "0.1.0"

__all__ = [
    "Case",
    "CaseNotFoundError",
    "CorpusError",
    "EncoderError",
    "FilterError",
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
    "StateError",
    "UsageError",
]
