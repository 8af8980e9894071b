"""Words to cases: BM25 over captions, keywords and ids."""

from medclip_search.indexes.text.building import (
    TextDocument,
    build_text_index,
    deleted_share,
    update_text_index,
)
from medclip_search.indexes.text.compiling import ALONE, Also
from medclip_search.indexes.text.index import TextIndex
from medclip_search.indexes.text.language import faults

__all__ = [
    "ALONE",
    "Also",
    "TextDocument",
    "TextIndex",
    "build_text_index",
    "deleted_share",
    "faults",
    "update_text_index",
]
