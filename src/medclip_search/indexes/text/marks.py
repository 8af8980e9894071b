"""Marks: terms by which a whole caption or a whole id is found."""

from __future__ import annotations

import hashlib

from medclip_search.indexes.text.analyser import sound


def id_mark(text: str) -> str:
    return "=" + sound(" ".join(text.split()).casefold())


def caption_marks(text: str) -> list[str]:
    """What a whole caption is found by: itself, and where it has odd white space, as it stands."""
    plain, verbatim = sound(" ".join(text.split())), sound(text.strip())
    if plain == verbatim:
        return ["#" + _hash(plain)]
    return ["~" + _hash(plain), "%" + _hash(verbatim)]


def marks_of_query(words: str) -> dict[str, float]:
    """The marks a query may be the whole of, with what sets the closer ones before the others."""
    plain = _hash(sound(" ".join(words.split())))
    return {
        id_mark(words): 0.04,
        "%" + _hash(sound(words.strip())): 0.06,
        "#" + plain: 0.04,
        "~" + plain: 0.02,
    }


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
