"""Facets: how the answers to a query spread over the values of some fields.

For words all cases that match are counted, however many and whatever their rank. An image is
like every picture more or less: of what is ranked by likeness, the ``RANKED`` best are counted.
A filter on a field does not narrow that field's own counts, so that they tell what another
value would bring (Hearst et al., Finding the Flow in Web Site Search, CACM 2002).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medclip_search.cases import Value
from medclip_search.indexes.columns import Columns

Mask = NDArray[np.bool_]
Keys = NDArray[np.int64]
Counted = Literal["matches", "best", "passing"]

RANKED = 1000
"""So many of the best are counted, where there is no telling who matches and who does not."""
MOST_VALUES = 200
"""No more values of a field are told; the most frequent ones."""


@dataclass(frozen=True, slots=True)
class Facets:
    """Counts by field and value, the most frequent first.

    ``cases`` were counted in all: those of ``counted`` that pass every filter. That is
    ``matches``, all that match the words; ``best``, the best of a ranking; or ``passing``, all
    that pass the filters, where nothing else is asked.
    """

    fields: Mapping[str, Mapping[Value, int]]
    cases: int
    counted: Counted

    @property
    def says(self) -> str:
        """What was counted, as a sentence."""
        if self.cases == 1:
            one = {"matches": "that matches the words", "passing": "that passes the filters"}
            return f"Counted: the one case {one.get(self.counted, 'found')}."
        told = {
            "matches": f"all {self.cases:,} cases that match the words",
            "best": f"the {self.cases:,} best cases",
            "passing": f"all {self.cases:,} cases that pass the filters",
        }
        return f"Counted: {told[self.counted] if self.cases else 'no case'}."

    def to_json(self) -> dict[str, Any]:
        """The one JSON form."""
        return {
            "cases": self.cases,
            "counted": self.counted,
            "says": self.says,
            "fields": {
                field: [{"value": value, "count": count} for value, count in counts.items()]
                for field, counts in self.fields.items()
            },
        }


def count(
    columns: Columns,
    fields: Sequence[str],
    counted: Counted,
    answers: Callable[[str], Keys],
    filtered: Set[str],
) -> Facets:
    """Count answers by the values of some fields.

    ``answers`` gives their keys, the filters on one field (by its stored name) lifted, on none
    for ""; ``filtered`` are the stored names of fields with a filter. Raises ``KeyError`` for an
    unknown field.
    """
    everything = answers("")
    found: dict[str, Mapping[Value, int]] = {}
    for field in fields:
        stored = columns.resolve(field)
        keys = answers(stored) if stored in filtered else everything
        found[field] = columns.counts(field, keys, MOST_VALUES)
    return Facets(found, len(everything), counted)
