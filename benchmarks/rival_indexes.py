"""Indexes to be compared over one library's vectors and captions: ours, and those of others.

Each is built into a folder and opened from it again, mapped rather than read where it can be, with
its own defaults: FAISS HNSW of float16 codes (M 32, efConstruction 40), USearch of float16
(connectivity 16, expansion_add 128), and the two parts of the way of biomedica-index: ChromaDB
(max_neighbors 16, ef_construction 100) for vectors, bm25s (k1 1.2, b 0.75, no stemming) for
captions. ``width`` is what makes a search more thorough: FAISS's efSearch, USearch's
expansion_search, and for ChromaDB, whose ef_search is fixed when a collection is made, how many
answers it is asked for, of which the first are taken.

Sources: Y. Malkov and D. Yashunin, "Efficient and robust approximate nearest neighbor search using
Hierarchical Navigable Small World graphs", 2016, arXiv:1603.09320; X. H. Lù, "BM25S: Orders of
magnitude faster lexical search via eager sparse scoring", 2024, arXiv:2407.03618.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import faiss
import numpy as np

from benchmarks.large_library import SPACE
from benchmarks.million_vectors import Flags, Floats, Keys, Opened
from medclip_search.indexes.text import TextDocument, TextIndex, build_text_index
from medclip_search.indexes.vectors import VectorIndex, build_vector_index

_FAISS: Any = faiss  # its stubs do not know what its Python adds
_BLOCK = 4096  # rows; ChromaDB takes at most 5,461 at once
_MAPPED = "index"


@dataclass(frozen=True)
class Filter:
    """What passes: the cases whose number ``field`` is below ``below``."""

    field: str
    below: int
    cases: Flags  # by case key
    rows: Flags  # by row

    @classmethod
    def of(cls, opened: Opened, field: str, below: int) -> Filter:
        cases = opened.allowed(f"{field}<{below}")
        return cls(field, below, cases, cases[opened.keys])


class Vectors(ABC):
    """An index of a library's rows, once it is built; for one thread."""

    name: ClassVar[str]
    package: ClassVar[str | None] = None  # of its own name, where it is no dependency of ours
    filters: ClassVar[str]
    reads_rows: ClassVar[bool] = False  # the library's own, which count as its disk then
    widths: ClassVar[Sequence[int]] = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)

    @staticmethod
    @abstractmethod
    def build(opened: Opened, folder: Path) -> None:
        """Write the index into a folder, which is empty."""

    @abstractmethod
    def __init__(self, opened: Opened, folder: Path) -> None:
        """Open what ``build`` wrote."""

    @abstractmethod
    def search(self, query: Floats, k: int, width: int, passing: Filter | None) -> Keys:
        """The case keys of the best, at most ``k``, best first; ``query`` is (d,)."""


class OurVectors(Vectors):
    name = "MedClip Search"
    filters = "more lists as it narrows, then a scan"
    reads_rows = True
    widths = (0,)  # it chooses for itself

    @staticmethod
    def build(opened: Opened, folder: Path) -> None:
        space = opened.generation.spaces[SPACE]
        build_vector_index(opened.rows, opened.keys, folder, space=space)

    def __init__(self, opened: Opened, folder: Path) -> None:
        self._index = VectorIndex.open(folder, opened.rows)
        self._order = opened.generation.columns.order

    def search(self, query: Floats, k: int, width: int, passing: Filter | None) -> Keys:
        allowed = None if passing is None else passing.cases
        return self._index.search(query, k, allowed, self._order)[0]


class FaissHnsw(Vectors):
    name = "FAISS HNSW"
    filters = "`IDSelectorBitmap`"

    @staticmethod
    def build(opened: Opened, folder: Path) -> None:
        half = _FAISS.ScalarQuantizer.QT_fp16
        dimension = opened.rows.shape[1]
        # Of rows of length 1 the same order as by inner product, by which it misses more.
        index = _FAISS.IndexHNSWSQ(dimension, half, 32, faiss.METRIC_L2)
        index.train(next(directions(opened))[1])
        for _, rows in directions(opened):
            index.add(rows)
        faiss.write_index(index, str(folder / _MAPPED))

    def __init__(self, opened: Opened, folder: Path) -> None:
        self._index = faiss.read_index(str(folder / _MAPPED), faiss.IO_FLAG_MMAP_IFC)
        self._keys = opened.keys

    def search(self, query: Floats, k: int, width: int, passing: Filter | None) -> Keys:
        settings: dict[str, Any] = {"efSearch": width}
        if passing is not None:
            bits = np.packbits(passing.rows, bitorder="little")
            settings["sel"] = _FAISS.IDSelectorBitmap(bits)
        asked = _FAISS.SearchParametersHNSW(**settings)
        rows: Keys = self._index.search(query[None], k, params=asked)[1][0]
        found: Keys = self._keys[rows[rows >= 0]]
        return found


class USearch(Vectors):
    name = "USearch"
    package = "usearch"
    filters = "none in Python: width answers, sifted"

    @staticmethod
    def build(opened: Opened, folder: Path) -> None:
        from usearch.index import Index

        index = Index(ndim=opened.rows.shape[1], metric="cos", dtype="f16")
        for keys, rows in directions(opened):
            index.add(keys, rows)
        index.save(str(folder / _MAPPED))

    def __init__(self, opened: Opened, folder: Path) -> None:
        from usearch.index import Index

        self._index = Index.restore(str(folder / _MAPPED), view=True)

    def search(self, query: Floats, k: int, width: int, passing: Filter | None) -> Keys:
        self._index.expansion_search = width
        count = k if passing is None else max(k, width)
        found: Keys = self._index.search(query, count, threads=1).keys.astype(np.int64)
        return found if passing is None else found[passing.cases[found]][:k]


class Chroma(Vectors):
    name = "ChromaDB"
    package = "chromadb"
    filters = "`where`"
    widths = (10, *(128 << n for n in range(6)))  # at least its ef_search, 100, is looked at

    @staticmethod
    def build(opened: Opened, folder: Path) -> None:
        made = _chroma(folder).create_collection(
            SPACE, configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
        )
        numbers = {
            field: opened.generation.columns.numbers(field, opened.keys)
            for field in ("random", "place")
        }
        start = 0
        for keys, rows in directions(opened):
            known = [
                {field: int(values[at]) for field, values in numbers.items()}
                for at in range(start, start + len(keys))
            ]
            made.add(ids=[str(key) for key in keys], embeddings=rows, metadatas=known)
            start += len(keys)

    def __init__(self, opened: Opened, folder: Path) -> None:
        self._collection = _chroma(folder).get_collection(SPACE, embedding_function=None)

    def search(self, query: Floats, k: int, width: int, passing: Filter | None) -> Keys:
        where = None if passing is None else {passing.field: {"$lt": passing.below}}
        found = self._collection.query(
            query_embeddings=[query], n_results=max(k, width), where=where, include=[]
        )
        return np.array(found["ids"][0][:k], dtype=np.int64)


def _chroma(folder: Path) -> Any:
    """A client that tells nobody that it is used."""
    import chromadb

    settings = chromadb.config.Settings(anonymized_telemetry=False)
    return chromadb.PersistentClient(str(folder), settings)


def directions(opened: Opened) -> Iterator[tuple[Keys, Floats]]:
    """Keys and rows of length 1, in blocks."""
    for start in range(0, len(opened.rows), _BLOCK):
        rows = opened.rows[start : start + _BLOCK].astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        yield opened.keys[start : start + _BLOCK], rows


class Captions(ABC):
    """An index of a library's captions, once it is built; for one thread."""

    name: ClassVar[str]
    package: ClassVar[str | None] = None  # of its own name, where it is no dependency of ours

    @staticmethod
    @abstractmethod
    def build(opened: Opened, folder: Path) -> None:
        """Write the index into a folder, which is empty."""

    @abstractmethod
    def __init__(self, folder: Path) -> None:
        """Open what ``build`` wrote."""

    @abstractmethod
    def search(self, words: str, k: int) -> None:
        """Find the best ``k``."""


class OurCaptions(Captions):
    name = "MedClip Search"

    @staticmethod
    def build(opened: Opened, folder: Path) -> None:
        cases = opened.generation.catalogue.all_cases()
        documents = (TextDocument(key, one.id, one.caption, one.keywords) for key, one in cases)
        build_text_index(documents, folder)

    def __init__(self, folder: Path) -> None:
        self._index = TextIndex.open(folder)

    def search(self, words: str, k: int) -> None:
        self._index.search(words, k)


class Bm25s(Captions):
    name = "bm25s"
    package = "bm25s"

    @staticmethod
    def build(opened: Opened, folder: Path) -> None:
        import bm25s

        captions = [one.caption for _, one in opened.generation.catalogue.all_cases()]
        index = bm25s.BM25(k1=1.2, b=0.75)
        index.index(bm25s.tokenize(captions, show_progress=False), show_progress=False)
        index.save(folder, show_progress=False)

    def __init__(self, folder: Path) -> None:
        import bm25s

        self._tokenize = bm25s.tokenize
        self._index = bm25s.BM25.load(folder, mmap=True, show_progress=False)

    def search(self, words: str, k: int) -> None:
        asked = self._tokenize([words], show_progress=False)
        self._index.retrieve(asked, k=k, show_progress=False)


VECTORS: dict[str, type[Vectors]] = {
    one.name: one for one in (OurVectors, FaissHnsw, USearch, Chroma)
}
CAPTIONS: dict[str, type[Captions]] = {one.name: one for one in (OurCaptions, Bm25s)}
