"""Writing columns from those before and the cases that changed, which are few.

The result is the same, byte for byte, as if all cases had been read again: values that nobody has
any more go, new ones find their place, and codes move over.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medclip_search.cases import Case
from medclip_search.indexes.columns.files import open_arrays
from medclip_search.indexes.columns.values import (
    ID,
    SEVERAL,
    case_values,
    encoded,
    field_order,
    fold,
    plain,
)
from medclip_search.indexes.columns.writing import Dictionary, Field, write_columns

Keys = NDArray[np.int32]
Pairs = list[tuple[str, int]]
"""Encoded values with the keys of their cases."""


def update_columns(
    previous: Path,
    folder: Path,
    changed: Iterable[int],
    cases: Iterable[tuple[int, Case]],
    id_of: Callable[[int], str],
) -> None:
    """Write the columns of ``previous`` less the ``changed`` keys, plus ``cases``.

    ``folder`` exists and is empty; ``cases`` are those of the changed keys that there are now;
    ``id_of`` gives the id of any other case by its key.
    """
    size, kinds, arrays = open_arrays(previous)
    gone = np.zeros(size, np.bool_)
    keys = np.fromiter(changed, np.int64)
    gone[keys[keys < size]] = True
    added: dict[str, Pairs] = defaultdict(list)
    for key, case in cases:
        for field, value in case_values(case):
            added[field].append((plain(value) if field == ID else encoded(value), key))
    before = {
        kind["name"]: _Before(arrays, str(at), several=kind["several"])
        for at, kind in enumerate(kinds)
    }
    ranked = _ranked(arrays, gone, sorted(added.pop(ID, ())), id_of)

    def fields() -> Iterator[tuple[str, Field]]:
        for name in sorted({*before, *added}, key=field_order):
            old = before.get(name) or _Before({}, "", several=name in SEVERAL)
            field = _merged(old, gone, sorted(added[name]))
            if len(field.dictionary):
                yield name, field

    write_columns(folder, ranked, fields())


def _ranked(
    arrays: Mapping[str, NDArray[Any]],
    gone: NDArray[np.bool_],
    added: Pairs,
    id_of: Callable[[int], str],
) -> Keys:
    """The live keys in the order of their ids."""
    kept = np.flatnonzero(arrays["live"] & ~gone).astype(np.int32)
    ranked = kept[np.argsort(arrays["order"][kept])]
    id_at = cache(id_of)  # what is added is sorted, so that most searches look at the same places
    places = [bisect_left(ranked, one, key=lambda key: id_at(int(key))) for one, _ in added]
    return np.insert(ranked, places, [key for _, key in added])


class _Before:
    """A field as it was."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], stem: str, *, several: bool) -> None:
        def array(ending: str, kind: type[np.generic]) -> NDArray[Any]:
            return arrays.get(f"{stem}.{ending}", np.zeros(0, kind))

        self.several = several
        self.values = array("values", np.uint8)
        self.offsets = arrays.get(f"{stem}.offsets", np.zeros(1, np.int64))
        self.numbers = arrays.get(f"{stem}.numbers", np.full(len(self), np.nan))
        self.codes = array("codes", np.int32)
        self.owners = array("owners", np.int32)
        self.starts = array("starts", np.int64)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def text(self, code: int) -> str:
        """The encoded value of a code."""
        value = self.values[self.offsets[code] : self.offsets[code + 1]].tobytes().decode()
        return f"{fold(json.loads(value))}\0{value}"

    def pairs(self, gone: NDArray[np.bool_]) -> tuple[Keys, Keys]:
        """Keys and codes of the cases that stay, by code where a case may have several."""
        if not self.several:
            keys = np.flatnonzero((self.codes >= 0) & ~gone[: len(self.codes)]).astype(np.int32)
            return keys, self.codes[keys].astype(np.int32)
        codes = np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.starts))
        stays = ~gone[self.owners]
        return self.owners[stays], codes[stays]


def _merged(before: _Before, gone: NDArray[np.bool_], added: Pairs) -> Field:
    """A field with the values of cases that stay and of those added, which are sorted."""
    keys, codes = before.pairs(gone)
    texts = list(dict.fromkeys(text for text, _ in added))
    text_of = cache(before.text)
    places = [bisect_left(range(len(before)), text, key=text_of) for text in texts]
    known = [
        place < len(before) and text_of(place) == text
        for text, place in zip(texts, places, strict=True)
    ]
    used = np.zeros(len(before) + 1, np.bool_)
    used[codes] = True
    used[[place for place, there in zip(places, known, strict=True) if there]] = True
    new = [text for text, there in zip(texts, known, strict=True) if not there]
    at = np.array([p for p, there in zip(places, known, strict=True) if not there], np.int64)
    kept_before: NDArray[np.int64] = (
        np.cumsum(used) - used
    )  # (values + 1,): how many values stay before a code
    # A new value stands before the code at its place: codes from there on move by one more.
    moved = kept_before + np.searchsorted(at, np.arange(len(before) + 1), side="right")
    code_of_new = dict(zip(new, (kept_before[at] + np.arange(len(at))).tolist(), strict=True))
    code_of = dict(zip(texts, moved[places].tolist(), strict=True)) | code_of_new
    dictionary = _dictionary(before, used[:-1], kept_before[at], new)
    codes = moved[codes].astype(np.int32)
    their_keys = np.array([key for _, key in added], np.int32)
    their_codes = np.array([code_of[text] for text, _ in added], np.int32)
    if before.several:
        where = _after(codes, keys, their_codes, their_keys)
        keys, codes = np.insert(keys, where, their_keys), np.insert(codes, where, their_codes)
    else:
        keys, codes = np.append(keys, their_keys), np.append(codes, their_codes)
    return Field(dictionary, keys, codes)


def _dictionary(
    before: _Before, used: NDArray[np.bool_], places: NDArray[np.int64], new: Sequence[str]
) -> Dictionary:
    """The values that are ``used``, with new ones at their places among these."""
    theirs = Dictionary.of(new)
    lengths = np.diff(before.offsets)
    values = before.values
    if not used.all():
        values = values[np.repeat(used, lengths)]
        lengths = lengths[used]
    starts = np.concatenate(([0], np.cumsum(lengths)))
    pieces, last = [], 0
    for number, place in enumerate(places.tolist()):
        pieces += [
            values[last : starts[place]],
            theirs.values[theirs.offsets[number] : theirs.offsets[number + 1]],
        ]
        last = int(starts[place])
    joined = np.concatenate([*pieces, values[last:]])
    ends = np.cumsum(np.insert(lengths, places, np.diff(theirs.offsets)))
    return Dictionary(
        joined,
        np.concatenate(([0], ends)).astype(np.int64),
        np.insert(before.numbers[used], places, theirs.numbers),
    )


def _after(codes: Keys, keys: Keys, new_codes: Keys, new_keys: Keys) -> NDArray[np.int64]:
    """Where pairs belong among those that are sorted by code and key."""
    most = max(int(keys.max(initial=0)), int(new_keys.max(initial=0))) + 1
    sorted_pairs = codes.astype(np.int64) * most + keys
    pairs = new_codes.astype(np.int64) * most + new_keys
    return np.searchsorted(sorted_pairs, pairs)
