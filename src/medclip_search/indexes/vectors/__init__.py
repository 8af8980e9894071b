"""The vector index of one embedding space: exact for small libraries, FAISS for large ones."""

from medclip_search.indexes.vectors.building import Engine, build_vector_index, is_taught_by
from medclip_search.indexes.vectors.index import VectorIndex

__all__ = ["Engine", "VectorIndex", "build_vector_index", "is_taught_by"]
