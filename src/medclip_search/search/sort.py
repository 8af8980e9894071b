"""Sorting by year: the newest or oldest first, among what is relevant.

A ranking has no end: somewhere down, what matches ever less begins to be noise, which the
newest year would bring to the top. So of the ``SORTED`` best those are sorted that have all the
words, or any of them where those are ``FEW``; an image, which every picture is like more or less,
sorts the ``LIKELY`` best; filters alone sort all that pass.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medclip_search.indexes.columns import Columns

Mask = NDArray[np.bool_]
Keys = NDArray[np.int64]
Sort = Literal["relevance", "newest", "oldest"]

SORTS: tuple[Sort, ...] = ("relevance", "newest", "oldest")
SORTED = 1000
FEW = 24
LIKELY = 100


def relevant(keys: Keys, every: Mask | None, some: Mask | None) -> tuple[NDArray[np.int64], str]:
    """The places of a ranking, best first, that are sorted, and what they are, for a sentence.

    ``every`` and ``some`` tell which cases have all of the words, and any; ``None`` without words.
    """
    if every is None or some is None:
        return np.arange(min(len(keys), LIKELY)), "best figures"
    best = keys[:SORTED]
    found = np.flatnonzero(every[best])
    if len(found) >= FEW:
        return found, "best figures with all of your words"
    return np.flatnonzero(some[best]), "best figures with any of your words"


def by_year(columns: Columns, keys: Keys, sort: Sort) -> NDArray[np.int64]:
    """The places of cases in their new order, (n,); equal years keep theirs, unknown ones end."""
    years = columns.numbers("year", keys)
    if sort == "newest":
        years = -years
    return np.argsort(years, kind="stable")  # NaN sorts last, whatever the sign
