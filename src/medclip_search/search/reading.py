"""Reading a query's texts: ``modality:CT`` is a filter; what may have been meant so is told.

A word of the form ``field:value``, where the library has the field, is taken out of the text and
filters instead, as ``--where field=value`` does; with ``-`` or ``NOT`` before it, it keeps out what
has the value. A field that nobody knows, a value that cannot be one, or one that no case has in a
column of the library's own ("type:2 diabetes") is plain text: so are "ratio 3:1" and "T2: bright".
Nothing here fails; notes say what was read how.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import replace

from medclip_search.errors import FilterError
from medclip_search.indexes.text import faults
from medclip_search.search import filters
from medclip_search.search.query import Query
from medclip_search.search.snapshot import Snapshot

TEXT_FIELDS = ("caption", "keywords", "keyword", "id")
"""The fields of the language of words itself (``indexes.text.language``)."""

_NEAR = 0.75
_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»", '"'))
_AFTER_OR = re.compile(r"(?<!\S)OR\s+$")
_BEFORE_OR = re.compile(r"\s+OR(?!\S)")
_PIECE = re.compile(
    r"""
      (?P<bracket>[()])
    | (?<![^\s(])(?P<sign>-|\+|NOT\s+)?(?P<field>[^\W\d][\w-]*)
      :(?P<value>"[^"]+"|[^\s()":]+)(?![^\s)])
    | "[^"]*" | [^\s()"]+ | "
    """,
    re.VERBOSE,
)


def read_texts(generation: Snapshot, query: Query) -> tuple[Query, list[str]]:
    """The query with its filters out of its texts, and notes on how these were read."""
    texts: list[str] = []
    where: list[str] = []
    notes: list[str] = []
    for text in query.text:
        if generation.text.has_whole(text):  # a caption is asked for as it stands
            texts.append(text)
            continue
        rest, found = _split(generation, text, notes)
        # Weights are given for each text: none may vanish.
        if found and (rest or not query.weights):
            text = rest
            where += found
        texts.append(text)
        notes += faults(text)
    if where:
        shown = ", ".join(dict.fromkeys(where))
        notes.insert(0, f"Read as {'filters' if len(where) > 1 else 'a filter'}: {shown}.")
        query = replace(query, text=[one for one in texts if one], where=(*query.where, *where))
    return query, notes


def _split(generation: Snapshot, text: str, notes: list[str]) -> tuple[str, list[str]]:
    """A text without its filters, and these."""
    columns = generation.columns
    known = {name.casefold(): name for name in columns.fields()}
    kept: list[str] = []
    found: list[str] = []
    depth, end = 0, 0
    for match in _PIECE.finditer(text.translate(_QUOTES)):
        if match["bracket"]:
            depth = depth + 1 if match["bracket"] == "(" else max(0, depth - 1)
        field = (match["field"] or "").casefold()
        if not field or field in TEXT_FIELDS:
            continue
        if field not in known:
            notes += _misspelt(match["field"], match[0], [*known.values(), *TEXT_FIELDS])
            continue
        beside = _AFTER_OR.search(text, max(0, match.start() - 20), match.start()) is not None
        beside = beside or _BEFORE_OR.match(text, match.end()) is not None
        if depth or beside:
            notes.append(
                f"{match[0]} stands in brackets or beside OR, and was read as words; "
                f"write {field}:A,B for several values."
            )
            continue
        sign = "!=" if match["sign"] in ("-",) or "NOT" in (match["sign"] or "") else "="
        value = match["value"]
        if value[0] in "<>" and sign == "=":
            sign = ""
        written = f"{known[field]}{sign}{value}"
        try:
            passing = filters.parse_filter(written, columns.fields()).mask(columns)
        except FilterError as error:
            notes.append(f"{match[0]} was read as words ({error}).")
            continue
        if not passing.any() and known[field] not in columns.built_in:
            notes.append(f"No case has {written}; {match[0]} was read as words.")
            continue
        found.append(written)
        kept.append(text[end : match.start()])
        end = match.end()
    return " ".join(" ".join((*kept, text[end:])).split()) if found else text, found


def _misspelt(field: str, written: str, known: Sequence[str]) -> list[str]:
    """A note on an unknown field that is nearly a known one."""
    near = difflib.get_close_matches(field.casefold(), known, n=1, cutoff=_NEAR)
    return [f"{written} was read as words: perhaps {near[0]}: was meant."] if near else []
