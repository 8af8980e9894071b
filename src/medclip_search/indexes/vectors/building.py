"""Build one space's index from its rows, or bring the previous generation's up to date."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medclip_search.encoders.base import Space
from medclip_search.errors import LibraryDamagedError
from medclip_search.indexes.vectors import faiss_ivf, told_by_captions
from medclip_search.indexes.vectors.cosine import Cosine, Doubles, finite, mean
from medclip_search.indexes.vectors.files import (
    INVERSE_LENGTHS,
    IVF,
    KEYS,
    LISTS,
    ROWS,
    Description,
    damaged,
    read_array,
    read_cosine,
    read_description,
    write_cosine,
    write_description,
)
from medclip_search.indexes.vectors.half import Half, Rows
from medclip_search.indexes.vectors.tuning import tune

Engine = Literal["auto", "exact", "faiss"]

EXACT_VALUES = 1 << 25
"""Live rows × dimension up to which a scan of everything is fast enough: 65,536 × 512 take 10
to 15 ms on one core (FAISS 0.6 ms, after 2 to 5 s of fitting), and nothing can be missed.
``python -m benchmarks.vector_index --thresholds`` prints the table."""

_GROWTH = 1.5  # rows against those the lists were fitted to
_DEAD_SHARE = 1 / 3  # of the rows in the lists
_DRIFT = 0.05  # of the mean, against the median distance of the rows from it
_TURNED = 1000  # so many rows tell
_TURN = 0.05  # of the rows' directions, by the stretch: a mean angle, in radians


def build_vector_index(
    rows: NDArray[np.float16],
    keys: NDArray[np.int64],
    folder: Path,
    *,
    space: Space,
    previous: Path | None = None,
    engine: Engine = "auto",
    captions: Iterable[tuple[int, str]] = (),
) -> None:
    """Write the index of ``rows`` into the existing, empty ``folder``.

    ``rows`` are an encoder's raw output, (n, d) float16; ``keys``, (n,), are the case key of
    each, -1 for a dead row, each case having one live row at most. Rows that are not all finite
    are left out. ``auto`` takes FAISS above ``EXACT_VALUES`` where it can be imported.
    ``captions``, by case key, teach a centred space which of its directions matter, if there are
    enough of them (``told_by_captions``).

    Mean and stretch are always taken afresh, so that scores do not depend on the library's
    history. ``previous`` is an index of the same rows file when it was shorter and fewer of its
    rows were dead: its FAISS lists are added to (by hard link where nothing is added), unless
    they have grown by half or lost a third, or the directions have turned. The same arguments
    give the same bytes.

    Memory: about 20 bytes a row, the FAISS index (d/8 + 16 bytes a row), and at most 1 GiB for
    the sample that it is fitted to, before and after it is rotated. Of very many rows the FAISS
    index lies in ``folder`` once more meanwhile.
    """
    rows = np.asarray(rows)
    keys = np.array(keys, dtype=np.int64)
    told: told_by_captions.Told | None = None
    if space.centred:
        keys[~finite(rows)] = -1
        row_of_key = _row_of_key(keys)
        cosine = Cosine(mean(rows, keys >= 0))
        told = told_by_captions.sample(captions, row_of_key)
        if told is not None:
            cosine = Cosine(cosine.mean, told_by_captions.fit(told, rows, cosine))
        inverse = cosine.inverse_lengths(rows)
        inverse[keys < 0] = np.nan
    else:
        cosine = Cosine(np.zeros(rows.shape[1], dtype=np.float32))
        inverse = _lengths_gone_on_with(rows, keys, cosine, previous, space)
        keys[np.isnan(inverse)] = -1
        row_of_key = _row_of_key(keys)
    np.save(folder / ROWS, row_of_key)
    del row_of_key
    keys, inverse = _kept(folder, KEYS, keys), _kept(folder, INVERSE_LENGTHS, inverse)
    description = Description(
        engine="exact",
        space=space.name,
        dimension=rows.shape[1],
        centred=space.centred,
        rows=len(rows),
        live=int(np.count_nonzero(keys >= 0)),
        axes=write_cosine(folder, cosine),
        captions=told.digest if told is not None else "",
        taught=len(told.captions) if told is not None else 0,
    )
    if _wants_faiss(engine, description):
        description = replace(description, engine="faiss")
        old = _still_good(previous, description, rows, keys, cosine, inverse) if previous else None
        if previous and old:
            description = _extend(previous, old, rows, keys, folder, description)
        else:
            description = _fit(rows, keys, inverse, cosine, folder, description)
    write_description(folder, description)


def _kept(folder: Path, name: str, array: NDArray[Any]) -> NDArray[Any]:
    """An array written to its file and mapped from it, which frees the memory that it took."""
    np.save(folder / name, array)
    return read_array(folder, name)


def _lengths_gone_on_with(
    rows: Half, keys: Rows, cosine: Cosine, previous: Path | None, space: Space
) -> Doubles:
    """Inverse lengths of the live rows, NaN for others and for those that are not finite.

    Where nothing is subtracted they stay as they were: only rows that are new are read.
    """
    inverse = np.full(len(rows), np.nan)
    fresh = keys >= 0
    before = _lengths_before(previous, space, len(rows)) if previous is not None else None
    if before is not None:
        known = np.flatnonzero(fresh[: len(before)] & ~np.isnan(before))
        inverse[known] = before[known]
        fresh[known] = False
    where = np.flatnonzero(fresh)
    where = where[finite(rows, where)]
    inverse[where] = cosine.inverse_lengths(rows, where)
    return inverse


def _lengths_before(previous: Path, space: Space, rows: int) -> Doubles | None:
    """The inverse lengths of an index of the same rows when they were fewer; if they still hold."""
    try:
        old = read_description(previous)
        lengths = read_array(previous, INVERSE_LENGTHS, old.rows)
    except LibraryDamagedError:
        return None
    same = (old.space, old.dimension, old.centred) == (space.name, space.dimension, False)
    return lengths if same and old.rows <= rows and lengths.dtype == np.float64 else None


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
    rows: Half,
    keys: Rows,
    inverse: Doubles,
    cosine: Cosine,
    folder: Path,
    description: Description,
) -> Description:
    live = np.flatnonzero(keys >= 0)
    ivf = faiss_ivf.IvfIndex.train(rows, live, cosine)
    ivf.add(rows, live, cosine, folder)
    ivf.write(folder / IVF)
    np.save(folder / LISTS, ivf.list_of_rows(len(rows)))
    axes = write_cosine(folder, cosine, coded=True)
    probes, recall = tune(ivf, rows, live, inverse, cosine)
    return replace(
        description,
        lists=ivf.lists,
        fitted=description.live,
        coded_axes=axes,
        probes=probes,
        recall=recall,
    )


def _still_good(
    previous: Path, now: Description, rows: Half, keys: Rows, cosine: Cosine, inverse: Doubles
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
        coded = read_cosine(previous, old, coded=True)
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
    if np.linalg.norm(cosine.mean - coded.mean) > _DRIFT * spread:
        return None
    return old if _turn(coded, cosine, rows, keys) <= _TURN else None


def _turn(before: Cosine, now: Cosine, rows: Half, keys: Rows) -> float:
    """The mean angle, in radians, by which a stretch that changed has turned some rows."""
    if before.stretch is None and now.stretch is None:
        return 0.0
    live = np.flatnonzero(keys >= 0)
    some = live[:: max(1, len(live) // _TURNED)]
    angles = [
        np.arccos(np.clip(np.einsum("ij,ij->i", one, other), -1, 1))
        for one, other in zip(
            before.row_directions(rows, some), now.row_directions(rows, some), strict=True
        )
    ]
    return float(np.concatenate(angles).mean()) if angles else 0.0


def _extend(
    previous: Path, old: Description, rows: Half, keys: Rows, folder: Path, now: Description
) -> Description:
    coded = read_cosine(previous, old, coded=True)
    added = old.rows + np.flatnonzero(keys[old.rows :] >= 0)
    if len(added):
        try:
            ivf = faiss_ivf.IvfIndex.read(previous / IVF, mapped=False)
        except RuntimeError as error:
            raise damaged(previous / IVF, error) from error
        ivf.add(rows, added, coded, folder)
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
    axes = write_cosine(folder, coded, coded=True)
    return replace(
        now,
        lists=old.lists,
        fitted=old.fitted,
        coded_axes=axes,
        probes=old.probes,
        recall=old.recall,
    )


def is_taught_by(folder: Path, captions: Iterable[tuple[int, str]]) -> bool:
    """Whether an index, whose rows have not changed, is taught by just these captions."""
    try:
        known = read_description(folder).captions
        told = told_by_captions.sample(captions, read_array(folder, ROWS))
    except LibraryDamagedError:
        return False
    return known == (told.digest if told is not None else "")
