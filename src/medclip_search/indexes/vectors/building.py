"""Build one space's index from its rows, or bring the previous generation's up to date."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medclip_search.encoders.base import Space
from medclip_search.errors import LibraryDamagedError
from medclip_search.indexes.vectors import faiss_ivf
from medclip_search.indexes.vectors.cosine import Cosine, finite, mean
from medclip_search.indexes.vectors.files import (
    CODED_MEAN,
    INVERSE_LENGTHS,
    IVF,
    KEYS,
    LISTS,
    MEAN,
    ROWS,
    Description,
    damaged,
    read_array,
    read_description,
    write_description,
)
from medclip_search.indexes.vectors.half import Floats, Half, Rows

Engine = Literal["auto", "exact", "faiss"]

EXACT_VALUES = 1 << 25
"""Live rows × dimension up to which a scan of everything is fast enough: 65,536 × 512 take 10
to 15 ms on one core (FAISS 0.6 ms, after 2 to 5 s of fitting), and nothing can be missed.
``python -m benchmarks.vector_index --thresholds`` prints the table."""

_GROWTH = 1.5  # rows against those the lists were fitted to
_DEAD_SHARE = 1 / 3  # of the rows in the lists
_DRIFT = 0.05  # of the mean, against the median distance of the rows from it


def build_vector_index(
    rows: NDArray[np.float16],
    keys: NDArray[np.int64],
    folder: Path,
    *,
    space: Space,
    previous: Path | None = None,
    engine: Engine = "auto",
) -> None:
    """Write the index of ``rows`` into the existing, empty ``folder``.

    ``rows`` are an encoder's raw output, (n, d) float16; ``keys``, (n,), are the case key of
    each, -1 for a dead row, each case having one live row at most. Rows that are not all finite
    are left out. ``auto`` takes FAISS above ``EXACT_VALUES`` where it can be imported.

    Mean and lengths are always taken afresh, so that scores do not depend on the library's
    history. ``previous`` is an index of the same rows file when it was shorter and fewer of its
    rows were dead: its FAISS lists are added to (by hard link where nothing is added), unless
    they have grown by half or lost a third, or the mean has moved. The same arguments give the
    same bytes.

    Memory: about 32 bytes a row, the FAISS index (d/8 + 16 bytes a row), and at most 1 GiB for
    the sample that it is fitted to.
    """
    rows = np.asarray(rows)
    live = (np.asarray(keys) >= 0) & finite(rows)
    keys = np.where(live, keys, -1).astype(np.int64)
    centre = mean(rows, live) if space.centred else np.zeros(rows.shape[1], dtype=np.float32)
    cosine = Cosine(centre)
    inverse = cosine.inverse_lengths(rows)
    inverse[~live] = np.nan
    np.save(folder / MEAN, centre)
    np.save(folder / INVERSE_LENGTHS, inverse)
    np.save(folder / KEYS, keys)
    np.save(folder / ROWS, _row_of_key(keys))
    description = Description(
        engine="exact",
        space=space.name,
        dimension=rows.shape[1],
        centred=space.centred,
        rows=len(rows),
        live=int(np.count_nonzero(live)),
    )
    if _wants_faiss(engine, description):
        description = replace(description, engine="faiss")
        old = _still_good(previous, description, keys, centre, inverse) if previous else None
        if previous and old:
            description = _extend(previous, old, rows, keys, folder, description)
        else:
            description = _fit(rows, keys, cosine, folder, description)
    write_description(folder, description)


def _wants_faiss(engine: Engine, description: Description) -> bool:
    if engine == "exact" or description.live == 0:
        return False
    if engine == "faiss":
        if not faiss_ivf.present():
            raise ValueError("the faiss engine was asked for, and FAISS cannot be imported")
        return True
    return description.live * description.dimension > EXACT_VALUES and faiss_ivf.present()


def _row_of_key(keys: Rows) -> NDArray[np.int32]:
    live = np.flatnonzero(keys >= 0)
    found = np.full(int(keys.max(initial=-1)) + 1, -1, dtype=np.int32)
    found[keys[live]] = live
    return found


def _fit(
    rows: Half, keys: Rows, cosine: Cosine, folder: Path, description: Description
) -> Description:
    live = np.flatnonzero(keys >= 0)
    ivf = faiss_ivf.IvfIndex.train(rows, live, cosine)
    ivf.add(rows, live, cosine)
    ivf.write(folder / IVF)
    np.save(folder / LISTS, ivf.list_of_rows(len(rows)))
    np.save(folder / CODED_MEAN, cosine.mean)
    return replace(description, lists=ivf.lists, fitted=description.live)


def _still_good(
    previous: Path, now: Description, keys: Rows, centre: Floats, inverse: Floats
) -> Description | None:
    """The previous index's description where its lists may be kept, else ``None``."""
    try:
        old = read_description(previous)
        if (old.engine, old.space, old.dimension, old.centred) != (
            now.engine,
            now.space,
            now.dimension,
            now.centred,
        ):
            return None
        old_keys = read_array(previous, KEYS, old.rows)
        in_lists = read_array(previous, LISTS, old.rows) >= 0
        coded_mean = read_array(previous, CODED_MEAN, old.dimension)
    except LibraryDamagedError:
        return None
    if old.rows > now.rows or now.live > _GROWTH * old.fitted:
        return None
    still_live = keys[: old.rows] >= 0
    if np.any(still_live & (old_keys < 0)):
        return None
    if np.count_nonzero(in_lists & ~still_live) > _DEAD_SHARE * np.count_nonzero(in_lists):
        return None
    directed = inverse[inverse > 0]
    spread = float(1 / np.median(directed)) if len(directed) else 0.0
    if np.linalg.norm(centre - coded_mean) > _DRIFT * spread:
        return None
    return old


def _extend(
    previous: Path, old: Description, rows: Half, keys: Rows, folder: Path, now: Description
) -> Description:
    coded_mean = read_array(previous, CODED_MEAN)
    added = old.rows + np.flatnonzero(keys[old.rows :] >= 0)
    if len(added):
        try:
            ivf = faiss_ivf.IvfIndex.read(previous / IVF, mapped=False)
        except RuntimeError as error:
            raise damaged(previous / IVF, error) from error
        ivf.add(rows, added, Cosine(coded_mean))
        ivf.write(folder / IVF)
        lists = ivf.list_of_rows(len(rows))
    else:
        try:
            os.link(previous / IVF, folder / IVF)
        except OSError:  # a file system without hard links
            shutil.copyfile(previous / IVF, folder / IVF)
        lists = np.full(len(rows), -1, dtype=np.int32)
        lists[: old.rows] = read_array(previous, LISTS)
    np.save(folder / LISTS, lists)
    np.save(folder / CODED_MEAN, coded_mean)
    return replace(now, lists=old.lists, fitted=old.fitted)
