"""Groups: of hits that belong together (figures of one article), the first stands for all."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from medclip_search.errors import QueryError
from medclip_search.indexes.columns import Columns

Keys = NDArray[np.int64]


def groups(columns: Columns, field: str, keys: Keys) -> NDArray[np.int64]:
    """For each of the cases, ranked best first, the place of the first of its group, (n,).

    Cases with the same value of the field are a group; one without a value stands alone.
    Raises ``QueryError`` for a field that there is not, or of which a case may have several values.
    """
    try:
        several = columns.several(field)
    except KeyError:
        known = [one for one in columns.fields() if not columns.several(one)]
        raise QueryError(
            f"group: no field is called {field!r}; there are: {', '.join(known[:20])}"
        ) from None
    if several:
        raise QueryError(f"group: a case may have several values of {field}; choose another field")
    return firsts(columns.codes(field)[keys])


def firsts(codes: NDArray[np.signedinteger]) -> NDArray[np.int64]:
    """For each code the place where it first stands, (n,); its own for a negative one."""
    own = np.arange(len(codes))
    _, place, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return np.where(codes < 0, own, place[inverse])


def followers(first: NDArray[np.int64]) -> Mapping[int, list[int]]:
    """For each place that stands for others, those others in their order."""
    found: dict[int, list[int]] = {}
    for place, leader in enumerate(first.tolist()):
        if leader != place:
            found.setdefault(leader, []).append(place)
    return found
