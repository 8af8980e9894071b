"""Columns: what filters, facets and the order by id are answered from.

A column-store in the plain sense (Abadi et al., The Design and Implementation of Modern
Column-Oriented Database Systems, 2013): each field is an array of dictionary codes, one a case
key, beside the sorted dictionary of its values. All arrays lie in one file, mapped when the
columns are opened (so that they stay, whatever becomes of the file's name) and read when needed.

    columns.json       the fields with their kinds; offset, type and shape of every array
    columns.bin        the arrays, each beginning at a multiple of 64 bytes:
        live           (size,) bool: whether the key has a case
        order          (size,) int32: the rank of the case's id in code-point order
        N.codes        (size,) int: the code of the value, -1 where there is none
        N.owners       in place of codes, for fields with several values a case: the case keys
                       of each value in turn, int32
        N.starts       (values + 1,) int64: where each value's owners begin
        N.values       bytes: the values as JSON, in order of their folded text
        N.offsets      (values + 1,) int64: where each value begins in values
        N.numbers      (values,) float64, where any value is a number: NaN where it is none
"""

from __future__ import annotations

from medclip_search.indexes.columns.building import build_columns
from medclip_search.indexes.columns.index import Columns
from medclip_search.indexes.columns.updating import update_columns
from medclip_search.indexes.columns.values import SEVERAL, SINGLE, case_values, fold, number

__all__ = [
    "SEVERAL",
    "SINGLE",
    "Columns",
    "build_columns",
    "case_values",
    "fold",
    "number",
    "update_columns",
]
