"""Words to cases: BM25 over captions, keywords and ids."""

from medclip_search.indexes.text.index import (
    TextDocument,
    TextIndex,
    build_text_index,
    deleted_share,
    update_text_index,
)

__all__ = ["TextDocument", "TextIndex", "build_text_index", "deleted_share", "update_text_index"]
