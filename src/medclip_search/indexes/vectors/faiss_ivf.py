"""The index of large spaces: FAISS `RR,IVF,RaBitQ`, memory-mapped, which proposes rows.

Directions are rotated at random (without that, loud dimensions spoil the codes), sorted into
the lists of a k-means quantiser, and kept as one bit a dimension. A search scans the lists
nearest to the query and returns more rows than asked for; the caller scores them exactly.

Sources: J. Gao and C. Long, "RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical
Error Bound for Approximate Nearest Neighbor Search", SIGMOD 2024, arXiv:2405.12497; M. Douze et
al., "The Faiss library", 2024, arXiv:2401.08281.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from medclip_search.indexes.vectors.cosine import Cosine, Flags
from medclip_search.indexes.vectors.half import Floats, Half, Rows

PROBES = 128
"""Lists scanned where nobody has measured how many it takes (``tuning``)."""

_SEED = 0
_TRAINING_ROWS_PER_LIST = 50
_LEAST_TRAINING_ROWS_PER_LIST = 32  # of many lists: the centres are as good, and sooner there
_TRAINING_VALUES = 1 << 27  # 0.5 GiB of float32
_ADDED_VALUES = 1 << 23
_PROPOSED = 300

_GRAPH_LISTS = 2048
"""Above so many lists, rows find theirs by a graph of the centres (HNSW) instead of by looking at
every centre: a row takes one core 33 against 83 µs at 8,192 lists, 19 against 43 at 4,096, 17
against 23 at 2,048 (512 dimensions). 1 row in 1,000 then misses its nearest centre for the next."""
_GRAPH_ROWS = 16  # a list: fewer are not worth making the graph for
_GRAPH_NEIGHBOURS, _GRAPH_BREADTH = 32, 32


@functools.cache
def _faiss() -> Any:
    """The FAISS module, imported when first needed; ``None`` where that fails."""
    try:
        import faiss
    except ImportError:
        return None
    return faiss


def present() -> bool:
    """Whether FAISS can be imported."""
    return _faiss() is not None


def list_count(rows: int, dimension: int) -> int:
    """How many lists to sort ``rows`` into: the power of two nearest to 1.6 √rows."""
    if rows < 4:
        return 1
    wanted = round(math.log2(1.6 * math.sqrt(rows)))
    trainable = min(
        rows / _TRAINING_ROWS_PER_LIST,
        _TRAINING_VALUES / dimension / _LEAST_TRAINING_ROWS_PER_LIST,
    )
    return 1 << max(0, min(wanted, math.floor(math.log2(max(1.0, trainable)))))


def proposed(k: int, *, filtered: bool = False) -> int:
    """How many rows are scored exactly to give ``k``; under a filter see also ``_choose``.

    Of the nearest 1,000 of 1.6 million rows 0.977 are then found; with three a place 0.983, which
    takes a seventh longer.
    """
    return (2 * _PROPOSED if filtered else _PROPOSED) + 5 * k // 2


class IvfIndex:
    """One FAISS index, of directions by row number."""

    def __init__(self, index: Any, probes: int = 0) -> None:
        faiss = _faiss()
        self._index = index
        self._probes = probes or PROBES
        self._rotation = faiss.downcast_VectorTransform(index.chain.at(0))
        self._ivf = faiss.downcast_index(index.index)

    @property
    def lists(self) -> int:
        """How many lists there are."""
        return int(self._ivf.nlist)

    @classmethod
    def train(cls, rows: Half, live: Rows, cosine: Cosine) -> IvfIndex:
        """An empty index, fitted to a seeded sample of the live rows."""
        faiss = _faiss()
        dimension = rows.shape[1]
        lists = list_count(len(live), dimension)
        index = faiss.index_factory(
            dimension, f"RR{dimension},IVF{lists},RaBitQ", faiss.METRIC_INNER_PRODUCT
        )
        clustering = faiss.downcast_index(index.index).cp
        clustering.min_points_per_centroid = 1
        clustering.max_points_per_centroid = len(live)
        count = min(
            len(live), lists * _TRAINING_ROWS_PER_LIST, max(1, _TRAINING_VALUES // dimension)
        )
        sample = np.sort(np.random.default_rng(_SEED).choice(live, size=count, replace=False))
        index.train(_directions(rows, sample, cosine))
        return cls(index)

    def add(self, rows: Half, added: Rows, cosine: Cosine, room: Path) -> None:
        """Add the rows numbered ``added``, under their numbers.

        ``room`` is a folder for what is put down meanwhile, where there are very many.
        """
        if self.lists > _GRAPH_LISTS and len(added) > _GRAPH_ROWS * self.lists:
            self._add_many(rows, added, cosine, room)
            return
        for numbers in _steps(rows, added):
            self._index.add_with_ids(_directions(rows, numbers, cosine), numbers)

    def _add_many(self, rows: Half, added: Rows, cosine: Cosine, room: Path) -> None:
        """Add rows to the lists that a graph finds; ``add_with_ids`` looks at every centre.

        Their codes lie in a file until it is known how long each list will be: lists that grow
        step by step take up to twice the memory.
        """
        faiss, ivf, graph = _faiss(), self._ivf, self._graph()
        listed, start = np.empty(len(added), dtype=np.int32), 0
        with tempfile.TemporaryFile(dir=room) as file:
            for numbers in _steps(rows, added):
                rotated = self._rotation.apply(_directions(rows, numbers, cosine))
                lists = graph.search(rotated, 1)[1]
                codes = np.empty((len(numbers), ivf.code_size), dtype=np.uint8)
                given = map(faiss.swig_ptr, (rotated, lists, codes))
                ivf.encode_vectors(len(numbers), *given)
                file.write(codes.data)
                listed[start : start + len(numbers)] = lists[:, 0]
                start += len(numbers)
            file.flush()
            kept = np.memmap(file, np.uint8, "r", shape=(len(added), ivf.code_size))
            order = np.argsort(listed, kind="stable")
            ends = np.cumsum(np.bincount(listed, minlength=self.lists))
            for number, places in enumerate(np.split(order, ends[:-1])):
                own = added[places], np.ascontiguousarray(kept[places])
                ivf.invlists.add_entries(number, len(places), *map(faiss.swig_ptr, own))
        ivf.ntotal += len(added)
        self._index.ntotal = ivf.ntotal

    def _graph(self) -> Any:
        """The centres as an HNSW graph. Made by one thread, for several give another each time.

        Source: Y. Malkov and D. Yashunin, "Efficient and Robust Approximate Nearest Neighbor Search
        Using Hierarchical Navigable Small World Graphs", TPAMI 2020, arXiv:1603.09320.
        """
        faiss = _faiss()
        graph = faiss.IndexHNSWFlat(self._ivf.d, _GRAPH_NEIGHBOURS, self._ivf.metric_type)
        graph.hnsw.efSearch = _GRAPH_BREADTH
        with _one_thread():
            graph.add(self._ivf.quantizer.reconstruct_n(0, self.lists))
        return graph

    def write(self, path: Path) -> None:
        """Write the index to a new file. Raises ``OSError`` where the disk is full."""
        try:
            _faiss().write_index(self._index, str(path))
        except RuntimeError as error:
            if (full := os.strerror(errno.ENOSPC)) in str(error):
                raise OSError(errno.ENOSPC, full, str(path)) from error
            raise

    @classmethod
    def read(cls, path: Path, *, mapped: bool, probes: int = 0) -> IvfIndex:
        """Open an index; a mapped one can be searched only. Raises ``RuntimeError``.

        ``probes`` is how many lists a search scans, ``PROBES`` where it is 0.
        """
        faiss = _faiss()
        flags = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY if mapped else 0
        index = cls(faiss.read_index(str(path), flags), probes)
        if mapped:
            # Its 32 threads that read lists ahead, started anew at each search, cost 2 ms of 2.3.
            lists = faiss.downcast_InvertedLists(index._ivf.invlists)
            lists.prefetch_nthread = 0
        return index

    def list_of_rows(self, count: int) -> np.ndarray[Any, np.dtype[np.int32]]:
        """The list of each of ``count`` rows, (count,); -1 for one that is not in the index."""
        faiss = _faiss()
        found = np.full(count, -1, dtype=np.int32)
        for number in range(self.lists):
            size = self._ivf.invlists.list_size(number)
            if size:
                ids = faiss.rev_swig_ptr(self._ivf.invlists.get_ids(number), size)
                found[ids] = number
        return found

    def propose(
        self,
        direction: Floats,
        count: int,
        mask: Flags | None = None,
        matching_per_list: Rows | None = None,
        live: int = 0,
        probes: int = 0,
    ) -> Rows:
        """Numbers of up to ``count`` rows near ``direction``, (d,), best first.

        ``probes`` scans another number of lists than the index's own.

        ``mask`` says by row number which may be found. ``matching_per_list`` says how many of
        them, out of ``live``, each list holds: where they are few, or lie far from the query,
        more lists are scanned and empty ones passed over.
        """
        faiss = _faiss()
        probes = min(probes or self._probes, self.lists)
        settings: dict[str, Any] = {"nprobe": probes}
        if mask is not None:
            settings["sel"] = _selector(mask)
        with _one_thread():
            rotated = self._rotation.apply(direction[None])
            if matching_per_list is not None:
                _, order = self._ivf.quantizer.search(rotated, self.lists)
                chosen = order[0][_choose(matching_per_list[order[0]], live, probes)]
                scanned = np.zeros(self.lists, dtype=np.bool_)
                scanned[chosen] = True
                settings["nprobe"] = len(chosen)
                settings["quantizer_params"] = faiss.SearchParameters(sel=_selector(scanned))
            _, found = self._ivf.search(
                rotated, count, params=faiss.SearchParametersIVF(**settings)
            )
        rows: Rows = found[0]
        return rows[rows >= 0]


def _selector(mask: Flags) -> Any:
    return _faiss().IDSelectorBitmap(np.packbits(mask, bitorder="little"))


def _choose(matches: Rows, live: int, probes: int) -> Flags:
    """Which of the lists, nearest first, to scan when only some of the ``live`` rows match.

    ``matches`` counts them by list. At least twice ``probes`` lists that hold a match are scanned
    (a filter may remove all that is near, and among rows that are all far the quantiser is a poor
    guide), and as many more as it takes to meet probes·√f lists' worth of matches, f being the
    share that matches. With matches spread evenly that is probes/√f lists: the nearest matches
    lie farther off than the nearest rows, but not 1/f times as far.
    """
    holding = matches > 0
    enough = probes / len(matches) * math.sqrt(live * int(matches.sum()))
    met_before = np.cumsum(matches) - matches
    return holding & ((met_before < enough) | (np.cumsum(holding) <= 2 * probes))


def _steps(rows: Half, added: Rows) -> Iterator[Rows]:
    """The numbers of rows, so many at a time as memory is to be had for."""
    step = max(1, _ADDED_VALUES // rows.shape[1])
    for start in range(0, len(added), step):
        yield added[start : start + step]


def _directions(rows: Half, where: Rows, cosine: Cosine) -> Floats:
    found = np.empty((len(where), rows.shape[1]), dtype=np.float32)
    start = 0
    for block in cosine.row_directions(rows, where):
        found[start : start + len(block)] = block
        start += len(block)
    return found


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """One query is too small to share among threads, whose waiting costs more than they bring.

    The setting belongs to the calling thread, and a build in it must get it back.
    """
    faiss = _faiss()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
